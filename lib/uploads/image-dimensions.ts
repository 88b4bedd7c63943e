/** Width and height in pixels, as the file's header announces them. */
export interface ImageDimensions {
  readonly width: number;
  readonly height: number;
}

/**
 * Bytes from the start of an image that tell its dimensions. Most formats need 32; a JPEG has its metadata before them
 * (Exif is up to 64 KiB, colour profiles and previews may be more), and an AVIF the list of its properties.
 */
export const IMAGE_HEADER_LENGTH = 256 * 1024;

/** Segments or boxes of a file that are looked at, at most. */
export const MOST_STEPS = 1000;

/** Counts the segments and boxes that are looked at, so that no input makes more work than that. */
export class StepCount {
  #taken = 0;

  get taken(): number {
    return this.#taken;
  }

  get isSpent(): boolean {
    return this.#taken >= MOST_STEPS;
  }

  /** Whether there may be one more. */
  take(): boolean {
    if (this.isSpent) return false;
    this.#taken++;
    return true;
  }
}

type Reader = (header: Header, steps: StepCount) => ImageDimensions | undefined;

const READERS: Readonly<Record<string, Reader>> = {
  'image/png': readPng,
  'image/jpeg': readJpeg,
  'image/gif': readGif,
  'image/webp': readWebp,
  'image/avif': readHeif,
  'image/heic': readHeif,
  'image/heif': readHeif,
};

/**
 * The dimensions of an image of the given type; `undefined` when its first `IMAGE_HEADER_LENGTH` bytes do not tell
 * them. Never throws and decodes nothing. Of a GIF it is the canvas for all of its pictures, of a JPEG the picture before its Exif orientation.
 */
export function imageDimensions(
  contentType: string,
  head: Uint8Array,
  steps = new StepCount(),
): ImageDimensions | undefined {
  if (!Object.hasOwn(READERS, contentType)) return undefined;
  const found = READERS[contentType]!(new Header(head.subarray(0, IMAGE_HEADER_LENGTH)), steps);
  return found && found.width > 0 && found.height > 0 ? found : undefined;
}

/** The bytes of a header. What lies beyond their end reads as NaN, which equals nothing and exceeds nothing. */
class Header {
  constructor(private readonly bytes: Uint8Array) {}

  get length(): number {
    return this.bytes.length;
  }

  byte(at: number): number {
    return this.bytes[at] ?? Number.NaN;
  }

  bigEndian(at: number, length: number): number {
    let value = 0;
    for (let index = 0; index < length; index++) value = value * 256 + this.byte(at + index);
    return value;
  }

  littleEndian(at: number, length: number): number {
    let value = 0;
    for (let index = length - 1; index >= 0; index--) value = value * 256 + this.byte(at + index);
    return value;
  }

  /** Four characters. */
  tag(at: number): string {
    return String.fromCharCode(...this.bytes.subarray(at, at + 4));
  }
}

function readPng(header: Header): ImageDimensions | undefined {
  if (header.tag(12) !== 'IHDR') return undefined;
  return { width: header.bigEndian(16, 4), height: header.bigEndian(20, 4) };
}

/** GIF89a: the canvas, which decoders make larger where the first picture does not fit. */
function readGif(header: Header, steps: StepCount): ImageDimensions | undefined {
  const picture = firstPictureOfGif(header, steps);
  if (picture === undefined) return undefined;
  const extent = (canvas: number, offset: number, length: number): number =>
    Math.max(
      header.littleEndian(canvas, 2),
      header.littleEndian(offset, 2) + header.littleEndian(length, 2),
    );
  return {
    width: extent(6, picture + 1, picture + 5),
    height: extent(8, picture + 3, picture + 7),
  };
}

/** Where its descriptor starts: behind the colours, and behind extensions, which are blocks up to an empty one. */
function firstPictureOfGif(header: Header, steps: StepCount): number | undefined {
  const flags = header.byte(10);
  const colours = flags & 0x80 ? 2 << (flags & 7) : 0;
  let at = 13 + colours * 3;
  while (header.byte(at) === 0x21 && steps.take()) {
    at += 2;
    while (header.byte(at) > 0) at += 1 + header.byte(at);
    at += 1;
  }
  return header.byte(at) === 0x2c ? at : undefined;
}

/** Segments that may stand before the frame: tables, APP0 to APP15, and comments. */
function isBeforeFrame(marker: number): boolean {
  return [0xc4, 0xcc, 0xdb, 0xdc, 0xdd, 0xfe].includes(marker) || (marker & 0xf0) === 0xe0;
}

/**
 * ITU T.81 Annex B: marker segments up to the frame header, whose kinds are C0 to CF but for three. Nothing is told of a
 * file with anything else in between, FF 00 for example, since decoders differ on where they go on behind that.
 */
function readJpeg(header: Header, steps: StepCount): ImageDimensions | undefined {
  let at = 2;
  while (header.byte(at) === 0xff && steps.take()) {
    // Fill bytes may stand before any marker.
    while (header.byte(at + 1) === 0xff) at += 1;
    const marker = header.byte(at + 1);
    const isFrame = marker >= 0xc0 && marker <= 0xcf;
    if (isFrame && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      return { height: header.bigEndian(at + 5, 2), width: header.bigEndian(at + 7, 2) };
    }
    const hasNoLength = marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7);
    if (hasNoLength) at += 2;
    else if (!isBeforeFrame(marker)) return undefined;
    else at += 2 + Math.max(2, header.bigEndian(at + 2, 2));
  }
  return undefined;
}

/** RFC 9649: the first chunk is a lossy frame, a lossless one, or the header of the extended format. */
function readWebp(header: Header): ImageDimensions | undefined {
  const chunk = header.tag(12);
  if (chunk === 'VP8X') {
    return { width: header.littleEndian(24, 3) + 1, height: header.littleEndian(27, 3) + 1 };
  }
  if (chunk === 'VP8L' && header.byte(20) === 0x2f) {
    const bits = header.littleEndian(21, 4);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  if (chunk === 'VP8 ' && header.bigEndian(23, 3) === 0x9d012a) {
    return {
      width: header.littleEndian(26, 2) & 0x3fff,
      height: header.littleEndian(28, 2) & 0x3fff,
    };
  }
  return undefined;
}

interface Box {
  readonly type: string;
  /** Where its content starts. */
  readonly start: number;
  readonly end: number;
}

/**
 * ISO/IEC 23008-12: the spatial extents among the item properties, of which the largest counts: others are of tiles. Of a
 * second box where there is one of its kind, decoders differ on which they take: then nothing is told.
 */
function readHeif(header: Header, steps: StepCount): ImageDimensions | undefined {
  let found: ImageDimensions | undefined;
  const meta = onlyBox(header, steps, 'meta', { start: 0, end: header.length });
  // `meta` begins with a version and flags.
  const properties = meta && onlyBox(header, steps, 'iprp', { ...meta, start: meta.start + 4 });
  const container = properties && onlyBox(header, steps, 'ipco', properties);
  if (!container || container.end > header.length) return undefined;
  for (const { type, start } of boxes(header, steps, container)) {
    if (type !== 'ispe') continue;
    const width = header.bigEndian(start + 4, 4);
    const height = header.bigEndian(start + 8, 4);
    if (!found || width * height > found.width * found.height) found = { width, height };
  }
  // Among what was not looked at there may be a larger one.
  return steps.isSpent ? undefined : found;
}

function onlyBox(
  header: Header,
  steps: StepCount,
  type: string,
  within: Pick<Box, 'start' | 'end'>,
): Box | undefined {
  const found = [...boxes(header, steps, within)].filter((box) => box.type === type);
  return found.length === 1 ? found[0] : undefined;
}

/** ISO/IEC 14496-12 §4.2: a size, a type, and for size 1 another size of eight bytes. */
function* boxes(
  header: Header,
  steps: StepCount,
  { start, end }: Pick<Box, 'start' | 'end'>,
): Generator<Box, void> {
  let at = start;
  while (at + 8 <= end && at + 8 <= header.length && steps.take()) {
    const announced = header.bigEndian(at, 4);
    const head = announced === 1 ? 16 : 8;
    // Size 0 is the last box, up to the end of what it is in.
    const size =
      announced === 0 ? end - at : announced === 1 ? header.bigEndian(at + 8, 8) : announced;
    // NaN is not enough, either.
    if (!(size >= head)) return;
    yield { type: header.tag(at + 4), start: at + head, end: at + size };
    at += size;
  }
}
