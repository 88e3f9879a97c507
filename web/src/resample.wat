;; The two passes of resample.ts with SIMD: the same sums in the same int32, four at a time, so the same bytes. JavaScript
;; lays everything out in the memory, whose last 16 bytes must be spare: pixels are read and written a few bytes wide.
(module
  (memory (export "memory") 1)

  ;; Rows of RGBA pixels to rows of RGB pixels.
  ;;
  ;; $first: for each output, the byte in a row at which its first pixel lies; $taps: how many pixels follow one
  ;; another; $weights: int32, $weights_step bytes from one output's to the next one's.
  (func (export "columns")
    (param $pixels i32) (param $pixels_step i32) (param $rows i32)
    (param $first i32) (param $taps i32) (param $weights i32) (param $weights_step i32) (param $width i32)
    (param $target i32) (param $target_step i32)
    (local $out i32) (local $from i32) (local $weight i32) (local $last i32) (local $end i32) (local $to i32)
    (local $own i32) (local $even v128) (local $odd v128) (local $pair v128)
    (if (i32.eqz (local.get $rows)) (then (return)))
    (loop $next_row
      (local.set $out (i32.const 0))
      (local.set $own (local.get $weights))
      (local.set $to (local.get $target))
      (loop $next_out
        (local.set $from
          (i32.add (local.get $pixels)
            (i32.load (i32.add (local.get $first) (i32.shl (local.get $out) (i32.const 2))))))
        (local.set $weight (local.get $own))
        (local.set $end
          (i32.add (local.get $own)
            (i32.shl (i32.load (i32.add (local.get $taps) (i32.shl (local.get $out) (i32.const 2)))) (i32.const 2))))
        (local.set $last (i32.sub (local.get $end) (i32.const 4)))
        (local.set $even (v128.const i32x4 0x200000 0x200000 0x200000 0x200000)) ;; one half
        (local.set $odd (v128.const i32x4 0 0 0 0))
        ;; Two pixels at a time ...
        (block $no_pair
          (loop $next_pair
            (br_if $no_pair (i32.ge_s (local.get $weight) (local.get $last)))
            (local.set $pair (i16x8.extend_low_i8x16_u (v128.load64_zero (local.get $from))))
            (local.set $even
              (i32x4.add (local.get $even)
                (i32x4.mul (i32x4.extend_low_i16x8_u (local.get $pair)) (v128.load32_splat (local.get $weight)))))
            (local.set $odd
              (i32x4.add (local.get $odd)
                (i32x4.mul (i32x4.extend_high_i16x8_u (local.get $pair))
                  (v128.load32_splat offset=4 (local.get $weight)))))
            (local.set $from (i32.add (local.get $from) (i32.const 8)))
            (local.set $weight (i32.add (local.get $weight) (i32.const 8)))
            (br $next_pair)))
        ;; ... and the last one of an odd number.
        (if (i32.lt_s (local.get $weight) (local.get $end))
          (then
            (local.set $even
              (i32x4.add (local.get $even)
                (i32x4.mul
                  (i32x4.extend_low_i16x8_u (i16x8.extend_low_i8x16_u (v128.load32_zero (local.get $from))))
                  (v128.load32_splat (local.get $weight)))))))
        (local.set $even (i32x4.shr_s (i32x4.add (local.get $even) (local.get $odd)) (i32.const 22)))
        (local.set $even (i16x8.narrow_i32x4_s (local.get $even) (local.get $even)))
        ;; The fourth byte is where the next pixel begins, which is written afterwards.
        (v128.store32_lane 0 (local.get $to) (i8x16.narrow_i16x8_u (local.get $even) (local.get $even)))
        (local.set $to (i32.add (local.get $to) (i32.const 3)))
        (local.set $own (i32.add (local.get $own) (local.get $weights_step)))
        (local.set $out (i32.add (local.get $out) (i32.const 1)))
        (br_if $next_out (i32.lt_u (local.get $out) (local.get $width))))
      (local.set $pixels (i32.add (local.get $pixels) (local.get $pixels_step)))
      (local.set $target (i32.add (local.get $target) (local.get $target_step)))
      (local.set $rows (i32.sub (local.get $rows) (i32.const 1)))
      (br_if $next_row (local.get $rows))))

  ;; Rows of bytes to fewer rows, or more; $step bytes from one to the next of both, a multiple of 16.
  ;;
  ;; $first: for each output, the byte at which its first row begins; the others as above.
  (func (export "rows")
    (param $bytes i32) (param $step i32)
    (param $first i32) (param $taps i32) (param $weights i32) (param $weights_step i32) (param $height i32)
    (param $target i32)
    (local $at i32) (local $from i32) (local $weight i32) (local $end i32) (local $start i32)
    (local $sixteen v128) (local $half v128) (local $splat v128)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local.set $half (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
    (loop $next_out
      (local.set $start (i32.add (local.get $bytes) (i32.load (local.get $first))))
      (local.set $end (i32.add (local.get $weights) (i32.shl (i32.load (local.get $taps)) (i32.const 2))))
      (local.set $at (i32.const 0))
      (loop $next_sixteen
        (local.set $a (local.get $half))
        (local.set $b (local.get $half))
        (local.set $c (local.get $half))
        (local.set $d (local.get $half))
        (local.set $from (i32.add (local.get $start) (local.get $at)))
        (local.set $weight (local.get $weights))
        (block $no_tap
          (loop $next_tap
            (br_if $no_tap (i32.ge_s (local.get $weight) (local.get $end)))
            (local.set $splat (v128.load32_splat (local.get $weight)))
            (local.set $sixteen (v128.load (local.get $from)))
            (local.set $a
              (i32x4.add (local.get $a)
                (i32x4.mul (local.get $splat)
                  (i32x4.extend_low_i16x8_u (i16x8.extend_low_i8x16_u (local.get $sixteen))))))
            (local.set $b
              (i32x4.add (local.get $b)
                (i32x4.mul (local.get $splat)
                  (i32x4.extend_high_i16x8_u (i16x8.extend_low_i8x16_u (local.get $sixteen))))))
            (local.set $c
              (i32x4.add (local.get $c)
                (i32x4.mul (local.get $splat)
                  (i32x4.extend_low_i16x8_u (i16x8.extend_high_i8x16_u (local.get $sixteen))))))
            (local.set $d
              (i32x4.add (local.get $d)
                (i32x4.mul (local.get $splat)
                  (i32x4.extend_high_i16x8_u (i16x8.extend_high_i8x16_u (local.get $sixteen))))))
            (local.set $from (i32.add (local.get $from) (local.get $step)))
            (local.set $weight (i32.add (local.get $weight) (i32.const 4)))
            (br $next_tap)))
        (v128.store (i32.add (local.get $target) (local.get $at))
          (i8x16.narrow_i16x8_u
            (i16x8.narrow_i32x4_s
              (i32x4.shr_s (local.get $a) (i32.const 22)) (i32x4.shr_s (local.get $b) (i32.const 22)))
            (i16x8.narrow_i32x4_s
              (i32x4.shr_s (local.get $c) (i32.const 22)) (i32x4.shr_s (local.get $d) (i32.const 22)))))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br_if $next_sixteen (i32.lt_u (local.get $at) (local.get $step))))
      (local.set $target (i32.add (local.get $target) (local.get $step)))
      (local.set $first (i32.add (local.get $first) (i32.const 4)))
      (local.set $taps (i32.add (local.get $taps) (i32.const 4)))
      (local.set $weights (i32.add (local.get $weights) (local.get $weights_step)))
      (local.set $height (i32.sub (local.get $height) (i32.const 1)))
      (br_if $next_out (local.get $height)))))
