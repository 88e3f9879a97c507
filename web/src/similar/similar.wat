;; Inner products of one question with the codes of many photos, sixteen numbers at a time: integers, so the same sums in
;; whatever order. JavaScript lays everything out in the memory.
(module
  (memory (export "memory") 1)

  ;; $codes: int8, $stride bytes from one photo's to the next one's, a multiple of 16; $question: int16, as many;
  ;; $sums: int32, one for each of $photos photos.
  (func (export "products")
    (param $codes i32) (param $photos i32) (param $stride i32) (param $question i32) (param $sums i32)
    (local $end i32) (local $asked i32) (local $sixteen v128) (local $sum v128)
    (if (i32.eqz (local.get $photos)) (then (return)))
    (loop $next_photo
      (local.set $end (i32.add (local.get $codes) (local.get $stride)))
      (local.set $asked (local.get $question))
      (local.set $sum (v128.const i32x4 0 0 0 0))
      (loop $next_sixteen
        (local.set $sixteen (v128.load (local.get $codes)))
        (local.set $sum
          (i32x4.add (local.get $sum)
            (i32x4.add
              (i32x4.dot_i16x8_s
                (i16x8.extend_low_i8x16_s (local.get $sixteen)) (v128.load (local.get $asked)))
              (i32x4.dot_i16x8_s
                (i16x8.extend_high_i8x16_s (local.get $sixteen)) (v128.load offset=16 (local.get $asked))))))
        (local.set $codes (i32.add (local.get $codes) (i32.const 16)))
        (local.set $asked (i32.add (local.get $asked) (i32.const 32)))
        (br_if $next_sixteen (i32.lt_u (local.get $codes) (local.get $end))))
      (i32.store (local.get $sums)
        (i32.add
          (i32.add (i32x4.extract_lane 0 (local.get $sum)) (i32x4.extract_lane 1 (local.get $sum)))
          (i32.add (i32x4.extract_lane 2 (local.get $sum)) (i32x4.extract_lane 3 (local.get $sum)))))
      (local.set $sums (i32.add (local.get $sums) (i32.const 4)))
      (local.set $photos (i32.sub (local.get $photos) (i32.const 1)))
      (br_if $next_photo (local.get $photos)))))
