/**
 * Drawings of garments, made for this page, by the name of the label that a model must have for them: the insides of
 * SVGs of 320 × 320 units. They are in the page's own code, so that trying one asks nobody for anything.
 */
export const PICTURES: Readonly<Record<string, string>> = {
  't-shirt': `
    <path fill="#e8dccb" d="M0 0h320v320H0z"/>
    <path fill="#3d6fb4" d="M126 62c10 22 58 22 68 0l46 20 46 62-42 28-20-26 4 118q-68 12-136 0l4-118-20 26-42-28 46-62z"/>
    <path fill="#2d558d" d="M126 62c10 22 58 22 68 0l9 4c-12 32-74 32-86 0z"/>
    <path fill="none" stroke="#2d558d" stroke-width="2.5" stroke-linecap="round"
      d="M96 146c2-18 0-34-6-48m134 48c-2-18 0-34 6-48M128 250c6-26 4-48-2-70m62 76c-4-22-4-36 2-52M94 256q66 11 132 0"/>`,
  pants: `
    <path fill="#dfe3e0" d="M0 0h320v320H0z"/>
    <path fill="#40526f" d="M106 42h108l22 238h-56l-20-152-20 152H84z"/>
    <path fill="#303f57" d="M106 42h108l2 20H104z"/>
    <circle cx="160" cy="52" r="4.5" fill="#c9a46a"/>
    <path fill="none" stroke="#303f57" stroke-width="2.5" stroke-linecap="round"
      d="M160 64v62m0-64q-4 30-16 34m-40-30q20 4 24 30m92-30q-20 4-24 30m-82 50-14 116m130-116 14 116M86 270h52m48 0h50"/>`,
  hat: `
    <path fill="#c9d3c6" d="M0 0h320v320H0z"/>
    <ellipse cx="160" cy="204" rx="136" ry="34" fill="#cfa663"/>
    <path fill="#dcb877" d="M84 200c-4-66 22-108 52-108 12 0 14 6 24 6s12-6 24-6c30 0 56 42 52 108q-76 26-152 0z"/>
    <path fill="#5b3a26" d="M84 176q76 26 152 0v24q-76 26-152 0z"/>
    <path fill="none" stroke="#b98f4e" stroke-width="2.5" stroke-linecap="round"
      d="M160 100c-8 16-10 30-10 48m10-48c8 16 10 30 10 48M36 212q124 38 248 0"/>`,
  dress: `
    <path fill="#ece3da" d="M0 0h320v320H0z"/>
    <path fill="#b64a5e" d="M122 36h14c2 40 46 40 48 0h14c0 36 4 52 12 66-2 20-8 28-12 36l54 138q-92 20-184 0l54-138c-4-8-10-16-12-36 8-14 12-30 12-66z"/>
    <path fill="#8c3145" d="M122 128q38 8 76 0l3 14q-41 8-82 0z"/>
    <path fill="none" stroke="#8c3145" stroke-width="2.5" stroke-linecap="round"
      d="M134 152 108 272m38-118-10 124m38-124 10 124m2-126 26 120M72 268q88 18 176 0"/>`,
  shoes: `
    <path fill="#dcd8e2" d="M0 0h320v320H0z"/>
    <path fill="#fbfaf7" d="M34 214h246c10 0 12 26-8 28H48c-14 0-16-12-14-28z"/>
    <path fill="#c2502f" d="M36 216c-4-34 0-66 8-92 20 12 40 10 62-8l70 52c24 16 60 16 84 24 14 6 20 14 20 24z"/>
    <path fill="#8f3720" d="M44 124c20 12 40 10 62-8l12 9c-22 22-50 26-77 14zM36 216c-2-14-2-26-1-38 24 0 42 14 46 38z"/>
    <path fill="none" stroke="#fbfaf7" stroke-width="5" stroke-linecap="round" d="m122 150 20-18m-4 30 20-18m-4 30 20-18"/>
    <path fill="none" stroke="#cfc9bd" stroke-width="2.5" d="M36 228h242"/>`,
  skirt: `
    <path fill="#e6e2d3" d="M0 0h320v320H0z"/>
    <path fill="#5f7f5a" d="M110 84h100l54 166q-104 26-208 0z"/>
    <path fill="#466043" d="M110 64h100v22H110z"/>
    <path fill="none" stroke="#466043" stroke-width="2.5" stroke-linecap="round"
      d="m124 94-32 160m50-160-14 164m32-164v166m18-166 14 164m4-164 32 160"/>`,
};
