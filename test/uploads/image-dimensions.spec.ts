import sharp, { type Sharp } from 'sharp';
import { sniffContentType } from '../../lib/uploads/content-sniffing.js';
import {
  IMAGE_HEADER_LENGTH,
  type ImageDimensions,
  imageDimensions,
  MOST_STEPS,
  StepCount,
} from '../../lib/uploads/image-dimensions.js';
import {
  assertImageWithin,
  type ImageLimits,
  parseImageLimits,
} from '../../lib/uploads/image-limits.js';
import { avifOf, box, extent, gifOf, jpegOf, largeBox, pngOf, segment, webpOf } from './images.js';
import { seededRandom } from './seeded-random.js';

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const base64 = (text: string): Buffer => Buffer.from(text, 'base64');

/** By the type that its first bytes show, as for an upload. */
function dimensionsOf(image: Buffer, steps?: StepCount): ImageDimensions | undefined {
  return imageDimensions(sniffContentType(image) ?? '', image, steps);
}

const exif = segment(0xe1, Buffer.concat([latin1('Exif\0\0'), Buffer.alloc(65_000)]));
// Text is no sequence of blocks: whichever byte is taken for the length of one, it leads to the last byte of these.
const xmpTrailer = Buffer.of(1, ...Array.from({ length: 256 }, (_, index) => 255 - index), 0);
const tiles = Array.from({ length: 40 }, () => extent(512, 512));
// 37 × 21 pixels each, encoded by Chromium.
const PNG = base64('iVBORw0KGgoAAAANSUhEUgAAACUAAAAVCAYAAADB5CeuAAAAQ0lEQVR4AezSoQ0AAAgDQYJk');
const LOSSY = base64('UklGRkwAAABXRUJQVlA4IDgAAAAwAwCdASolABUAP3G202G0ryqmJWgC');
const LOSSLESS = base64('UklGRiUAAABXRUJQVlA4TBEAAAAvJAAFAAdQhSJXof+BiOh/AAA=');
const EXTENDED = base64('UklGRiYCAABXRUJQVlA4WAoAAAAgAAAAJAAAFAAASUNDUMgBAAAAAAHIAAAAAAQw');

const images: [what: string, image: Buffer, width: number, height: number][] = [
  ['a PNG', pngOf(1920, 1080), 1920, 1080],
  ['a PNG of a browser', PNG, 37, 21],
  ['a PNG of two thousand million pixels in a row', pngOf(0x7fffffff, 1), 0x7fffffff, 1],
  ['a GIF', gifOf(640, 480), 640, 480],
  [
    'a GIF with extensions',
    gifOf(640, 480, {
      before: [latin1('!\xF9\x04\0\0\0\0\0'), latin1('!\xFE\x03abc\x02,;\0')],
    }),
    640,
    480,
  ],
  ['a GIF whose picture leaves room', gifOf(640, 480, { picture: [5, 5, 10, 10] }), 640, 480],
  [
    'a GIF with a long text',
    gifOf(640, 480, {
      before: [latin1('!\xFF\x0BXMP DataXMP'), Buffer.alloc(200_000, 64), xmpTrailer],
    }),
    640,
    480,
  ],
  [
    'a GIF whose picture is larger than its canvas',
    gifOf(10, 10, { picture: [1, 2, 4000, 3000] }),
    4001,
    3002,
  ],
  ['a JPEG', jpegOf(800, 600), 800, 600],
  ['a progressive JPEG', jpegOf(800, 600, { frame: 0xc2 }), 800, 600],
  ['an arithmetic JPEG', jpegOf(800, 600, { frame: 0xc9 }), 800, 600],
  ['a lossless JPEG', jpegOf(800, 600, { frame: 0xc3 }), 800, 600],
  [
    'a JPEG with Huffman tables first',
    jpegOf(8, 6, { before: [segment(0xc4, Buffer.alloc(30))] }),
    8,
    6,
  ],
  ['a JPEG with Exif', jpegOf(4032, 3024, { before: [exif] }), 4032, 3024],
  ['a JPEG with Exif and profiles', jpegOf(4032, 3024, { before: [exif, exif, exif] }), 4032, 3024],
  ['a JPEG with fill bytes', jpegOf(8, 6, { before: [Buffer.alloc(2000, 0xff)] }), 8, 6],
  ['a JPEG with a marker without length', jpegOf(8, 6, { before: [latin1('\xFF\x01')] }), 8, 6],
  ['a JPEG with restarts', jpegOf(8, 6, { before: [latin1('\xFF\xD0\xFF\xD7')] }), 8, 6],
  ['a JPEG of the last kind of frame', jpegOf(8, 6, { frame: 0xcf }), 8, 6],
  [
    'a JPEG with arithmetic tables first',
    jpegOf(8, 6, { before: [segment(0xcc, Buffer.alloc(30))] }),
    8,
    6,
  ],
  ['a lossy WebP', webpOf.lossy(800, 600), 800, 600],
  ['a lossy WebP of a browser', LOSSY, 37, 21],
  ['a lossless WebP', webpOf.lossless(16384, 16384), 16384, 16384],
  ['a lossless WebP of a browser', LOSSLESS, 37, 21],
  ['an extended WebP', webpOf.extended(100_000, 2), 100_000, 2],
  ['an extended WebP of a browser', EXTENDED, 37, 21],
  ['an AVIF', avifOf([box('pixi', Buffer.alloc(8)), extent(1200, 800)]), 1200, 800],
  ['an AVIF with an empty property', avifOf([box('pixi'), extent(1200, 800)]), 1200, 800],
  ['an AVIF of tiles', avifOf([...tiles, extent(4032, 3024)]), 4032, 3024],
  ['an AVIF with long sizes', avifOf([extent(1200, 800)], { wrap: largeBox }), 1200, 800],
  ['a HEIC', avifOf([extent(4032, 3024)], { brand: 'heic' }), 4032, 3024],
  ['a HEIF', avifOf([extent(4032, 3024)], { brand: 'mif1' }), 4032, 3024],
];

test.each(images)('%s tells its dimensions', (...[, image, width, height]) => {
  expect(dimensionsOf(image)).toEqual({ width, height });
});

test.each<[string, (image: Sharp) => Sharp]>([
  ['PNG', (image) => image.png()],
  ['JPEG', (image) => image.jpeg()],
  [
    'progressive JPEG',
    (image) => image.jpeg({ progressive: true }).withExif({ IFD0: { Copyright: 'x' } }),
  ],
  ['GIF', (image) => image.gif()],
  ['lossy WebP', (image) => image.webp()],
  ['lossless WebP', (image) => image.webp({ lossless: true })],
  ['AVIF', (image) => image.avif({ effort: 0 })],
])('a %s of another encoder tells its dimensions', async (_what, encode) => {
  const background = { r: 20, g: 80, b: 160 };
  const image = sharp({ create: { width: 123, height: 45, channels: 3, background } });
  expect(dimensionsOf(await encode(image).toBuffer())).toEqual({ width: 123, height: 45 });
});

const whole = avifOf([extent(10, 10), extent(9000, 9000)]);
const cutAvif = whole.subarray(0, whole.lastIndexOf('ispe') + 4);

test.each([
  ['a PNG without height', pngOf(10, 0)],
  [
    'a PNG whose first chunk is another',
    latin1('\x89PNG\r\n\x1A\n\0\0\0\rIDAT\0\0\0\x01\0\0\0\x01'),
  ],
  ['a PNG that is cut', pngOf(10, 10).subarray(0, 22)],
  ['a GIF without a picture', gifOf(10, 10).subarray(0, 19)],
  ['a GIF that is cut in an extension', gifOf(10, 10, { before: [latin1('!\xFE\xFF')] })],
  ['a GIF with junk before its picture', gifOf(10, 10, { before: [latin1('\0')] })],
  ['a JPEG that is cut in its frame', jpegOf(800, 600).subarray(0, 27)],
  ['a JPEG without frame', Buffer.concat([latin1('\xFF\xD8'), segment(0xda, Buffer.alloc(10))])],
  ['a JPEG that ends at once', latin1('\xFF\xD8\xFF\xD9')],
  // Where libjpeg passes over two bytes, others take a segment with a length, behind which there may be another frame.
  ['a JPEG with an escaped FF between segments', jpegOf(8, 6, { before: [segment(0x00, exif)] })],
  ['a JPEG with a reserved marker', jpegOf(8, 6, { before: [segment(0xf0, Buffer.alloc(4))] })],
  ['a JPEG with a marker before those of frames', jpegOf(8, 6, { frame: 0xbf })],
  ['a JPEG with an extension in the place of a frame', jpegOf(8, 6, { frame: 0xc8 })],
  ['a JPEG that starts again', jpegOf(8, 6, { before: [segment(0xd8, Buffer.alloc(4))] })],
  ['a JPEG with junk between segments', jpegOf(8, 6, { before: [latin1('\0\0\0')] })],
  [
    'a JPEG with metadata beyond the bound',
    jpegOf(8, 6, { before: Array.from({ length: 5 }, () => exif) }),
  ],
  [
    'a JPEG of endless fill bytes',
    Buffer.concat([latin1('\xFF\xD8'), Buffer.alloc(100_000, 0xff)]),
  ],
  [
    'a JPEG of endless empty segments',
    Buffer.concat([
      latin1('\xFF\xD8'),
      latin1('\xFF\xE0\0\0').fill(0),
      ...Array.from({ length: 5000 }, () => segment(0xe0, Buffer.alloc(0))),
    ]),
  ],
  [
    'a WebP with another chunk first',
    Buffer.concat([latin1('RIFF\x10\0\0\0WEBPICCP'), Buffer.alloc(30)]),
  ],
  ['a lossless WebP without its signature', latin1(`RIFF\x10\0\0\0WEBPVP8L${'\0'.repeat(20)}`)],
  ['a lossy WebP without its start code', latin1(`RIFF\x10\0\0\0WEBPVP8 ${'\0'.repeat(20)}`)],
  [
    'an AVIF with a second list of properties',
    Buffer.concat([avifOf([extent(10, 10)]), avifOf([extent(4000, 3000)])]),
  ],
  ['an AVIF without extents', avifOf([box('pixi', Buffer.alloc(8))])],
  ['an AVIF whose properties are cut', cutAvif],
  [
    'an AVIF with a box of no size',
    Buffer.concat([box('ftyp', latin1('avif\0\0\0\0')), latin1('\0\0\0\x04meta')]),
  ],
  [
    'an AVIF with a property that is smaller than its head',
    avifOf([Buffer.concat([latin1('\0\0\0\x04'), extent(10, 10)])]),
  ],
  [
    'an AVIF of endless properties',
    avifOf(Array.from({ length: 2000 }, () => box('pixi')).concat(extent(1, 1))),
  ],
  ['an SVG', Buffer.from('<svg width="10" height="10">')],
  ['a text', Buffer.from('PNG')],
])('%s does not', (_what, image) => {
  expect(dimensionsOf(image)).toBeUndefined();
});

test('what comes after the bound is not looked at', () => {
  const before = IMAGE_HEADER_LENGTH - jpegOf(8, 6).length;
  const padding = Array.from({ length: 4 }, () => segment(0xe2, Buffer.alloc(50_000)));
  const rest = before - Buffer.concat(padding).length;
  const within = jpegOf(8, 6, { before: [...padding, segment(0xe2, Buffer.alloc(rest - 10))] });
  expect(dimensionsOf(within)).toEqual({ width: 8, height: 6 });
  const beyond = jpegOf(8, 6, { before: [...padding, segment(0xe2, Buffer.alloc(rest + 40))] });
  expect(dimensionsOf(beyond)).toBeUndefined();
});

test('two hundred thousand random and truncated images are looked at in few steps, without a throw', () => {
  const random = seededRandom(20261126);
  let most = 0;
  let least = Infinity;
  const starts = [
    ...images.map(([, image]) => image.subarray(0, 400)),
    jpegOf(8, 6, { before: Array.from({ length: 40 }, () => segment(0xe0, Buffer.alloc(2))) }),
  ];
  for (let index = 0; index < 200_000; index++) {
    const start = starts[index % starts.length]!;
    const image = Buffer.from(start.subarray(0, 12 + Math.floor(random() * start.length)));
    for (let change = 0; change < 6; change++) {
      image[12 + Math.floor(random() * (image.length - 12))] = random() * 256;
    }
    const steps = new StepCount();
    const found = dimensionsOf(image, steps);
    most = Math.max(most, steps.taken);
    if (found) least = Math.min(least, found.width, found.height);
  }
  expect(most).toBeGreaterThan(10);
  expect(most).toBeLessThanOrEqual(MOST_STEPS);
  expect(least).toBeGreaterThan(0);
});

test('the longest way through a file takes a thousand steps', () => {
  const steps = new StepCount();
  const extensions = Array.from({ length: 5000 }, () => latin1('!\xFE\0'));
  expect(dimensionsOf(gifOf(10, 10, { before: extensions }), steps)).toBeUndefined();
  expect(steps.taken).toBe(MOST_STEPS);
});

describe('limits', () => {
  const file = { contentType: 'image/png', fieldname: 'photo' };

  function codeOf(limits: ImageLimits, image: Buffer, contentType = 'image/png'): unknown {
    try {
      assertImageWithin(limits, { ...file, contentType }, image);
      return undefined;
    } catch (error) {
      return (error as { getResponse(): unknown }).getResponse();
    }
  }

  test.each<[ImageLimits, string | undefined]>([
    [{ maxPixels: 200 }, undefined],
    [{ maxPixels: 199 }, 'IMAGE_TOO_LARGE'],
    [{ maxWidth: 20 }, undefined],
    [{ maxWidth: 19 }, 'IMAGE_TOO_LARGE'],
    [{ maxHeight: 10 }, undefined],
    [{ maxHeight: 9 }, 'IMAGE_TOO_LARGE'],
    [{ minWidth: 20 }, undefined],
    [{ minWidth: 21 }, 'IMAGE_TOO_SMALL'],
    [{ minHeight: 10 }, undefined],
    [{ minHeight: 11 }, 'IMAGE_TOO_SMALL'],
  ])('%p for 20 × 10 is %s', (limits, code) => {
    const refused = codeOf(limits, pngOf(20, 10));
    const expected = expect.objectContaining({ statusCode: 422, code, field: 'photo' });
    expect(refused).toEqual(code === undefined ? undefined : expected);
  });

  test('the message has what is and what is allowed', () => {
    expect(codeOf({ maxPixels: 100, maxWidth: 15 }, pngOf(20, 10))).toMatchObject({
      message: 'The image is 20 × 10 pixels; allowed is at most width 15, 100 pixels in all',
    });
  });

  test('an image that does not tell is refused, and a file that is none passes', () => {
    const unknown = {
      code: 'IMAGE_SIZE_UNKNOWN',
      statusCode: 422,
      message: 'The dimensions of the image cannot be told',
    };
    expect(codeOf({ maxPixels: 1 }, Buffer.from('<svg >'), 'image/svg+xml')).toMatchObject(unknown);
    expect(codeOf({ minWidth: 1 }, latin1('II*\0'), 'image/tiff')).toMatchObject(unknown);
    expect(codeOf({ maxPixels: 1 }, Buffer.from('text'), 'text/plain')).toBeUndefined();
  });

  test.each([
    [{ maxPixel: 1 }],
    [{ maxPixels: -1 }],
    [{ maxWidth: 0 }],
    [{ minWidth: '1' }],
    [null],
    [[]],
  ])('%j is refused', (limits) => {
    expect(() => parseImageLimits(limits as never)).toThrow(/image/);
  });
});
