/**
 * Drawings of garments, made for this page, by the name of the label that a model must have for them: the insides of
 * SVGs of 320 × 320 units. They are in the page's own code, so that trying one asks nobody for anything.
 */

/** One of a pair of shoes, seen from above. */
const SHOE = `
  <path fill="#c2502f" d="M44 20c24 0 40 22 42 62 1 30-8 44-8 70 0 30 6 48 4 74-2 30-16 44-38 44s-36-14-38-44c-2-26 4-44
    4-74 0-26-9-40-8-70 2-40 18-62 42-62z"/>
  <path fill="#f0d9c8" d="M44 150c18 0 24 16 24 44s-6 58-24 58-24-30-24-58 6-44 24-44z"/>
  <path fill="none" stroke="#fbfaf7" stroke-width="5" stroke-linecap="round" d="M28 96h32M26 114h36M26 132h36"/>
  <path fill="none" stroke="#fbfaf7" stroke-width="3" d="M14 62q30-22 60 0"/>`;

export const PICTURES: Readonly<Record<string, string>> = {
  't-shirt': `
    <path fill="#e8dccb" d="M0 0h320v320H0z"/>
    <path fill="#3d6fb4" d="M122 58c8 24 68 24 76 0l34 12 44 60-36 26-18-22v136q-62 8-124 0V134l-18 22-36-26 44-60z"/>
    <path fill="#2d558d" d="M122 58c8 24 68 24 76 0l9 3c-10 34-84 34-94 0z"/>
    <path fill="none" stroke="#2d558d" stroke-width="2.5" stroke-linecap="round"
      d="M98 134c2-16 0-30-5-44m129 44c-2-16 0-30 5-44M98 262q62 8 124 0"/>`,
  pants: `
    <path fill="#dfe3e0" d="M0 0h320v320H0z"/>
    <path fill="#40526f" d="M106 42h108l22 238h-56l-20-152-20 152H84z"/>
    <path fill="#303f57" d="M106 42h108l2 20H104z"/>
    <circle cx="160" cy="52" r="4.5" fill="#c9a46a"/>
    <path fill="none" stroke="#303f57" stroke-width="2.5" stroke-linecap="round"
      d="M160 64v62m-16-34q12-4 14-30m-54 30q20-4 24-30m88 30q-20-4-24-30m-80 78-10 118m106-118 10 118M86 270h52m44 0h52"/>`,
  hat: `
    <path fill="#c9d3c6" d="M0 0h320v320H0z"/>
    <ellipse cx="160" cy="204" rx="136" ry="34" fill="#cfa663"/>
    <path fill="#dcb877" d="M84 200c-4-66 22-108 52-108 12 0 14 6 24 6s12-6 24-6c30 0 56 42 52 108q-76 26-152 0z"/>
    <path fill="#5b3a26" d="M84 176q76 26 152 0v24q-76 26-152 0z"/>
    <path fill="none" stroke="#b98f4e" stroke-width="2.5" stroke-linecap="round"
      d="M160 100c-8 16-10 30-10 48m10-48c8 16 10 30 10 48M36 212q124 38 248 0"/>`,
  dress: `
    <path fill="#ece3da" d="M0 0h320v320H0z"/>
    <path fill="#b64a5e" d="M122 36h14c2 40 46 40 48 0h14c0 36 4 52 12 66-2 20-8 28-12 36l54 138q-92 20-184 0l54-138c-4-8-10-16-12-36
      8-14 12-30 12-66z"/>
    <path fill="#8c3145" d="M122 128q38 8 76 0l3 14q-41 8-82 0z"/>
    <path fill="none" stroke="#8c3145" stroke-width="2.5" stroke-linecap="round"
      d="M134 152 108 272m38-118-10 124m38-124 10 124m2-126 26 120M72 268q88 18 176 0"/>`,
  shoes: `
    <path fill="#dcd8e2" d="M0 0h320v320H0z"/>
    <g transform="translate(64 24)">${SHOE}</g>
    <g transform="translate(256 24) scale(-1 1)">${SHOE}</g>`,
  skirt: `
    <path fill="#e6e2d3" d="M0 0h320v320H0z"/>
    <path fill="#5f7f5a" d="M110 84h100l54 166q-104 26-208 0z"/>
    <path fill="#466043" d="M110 64h100v22H110z"/>
    <path fill="none" stroke="#466043" stroke-width="2.5" stroke-linecap="round"
      d="m124 94-32 160m50-160-14 164m32-164v166m18-166 14 164m4-164 32 160"/>`,
};
