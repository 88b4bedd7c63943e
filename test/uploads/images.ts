// Headers of images, made by the specifications of their formats.

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

function bigEndian(value: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUIntBE(value, 0, length);
  return bytes;
}

function littleEndian(value: number, length: number): Buffer {
  return bigEndian(value, length).reverse();
}

export function pngOf(width: number, height: number): Buffer {
  const start = latin1('\x89PNG\r\n\x1A\n\0\0\0\rIHDR');
  return Buffer.concat([
    start,
    bigEndian(width, 4),
    bigEndian(height, 4),
    latin1('\x08\x02\0\0\0'),
  ]);
}

/** @param before blocks before the picture @param picture its place on the canvas */
export function gifOf(
  width: number,
  height: number,
  { before = [], picture = [0, 0, width, height] }: { before?: Buffer[]; picture?: number[] } = {},
): Buffer {
  return Buffer.concat([
    latin1('GIF89a'),
    littleEndian(width, 2),
    littleEndian(height, 2),
    // Two colours follow.
    latin1('\x80\0\0'),
    Buffer.alloc(6),
    ...before,
    latin1(','),
    ...picture.map((value) => littleEndian(value, 2)),
    latin1('\0\x02\0;'),
  ]);
}

/** A segment of a JPEG. */
export function segment(marker: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.of(0xff, marker), bigEndian(content.length + 2, 2), content]);
}

/** @param before segments between the start and the frame @param frame the marker of the frame */
export function jpegOf(
  width: number,
  height: number,
  { before = [], frame = 0xc0 }: { before?: Buffer[]; frame?: number } = {},
): Buffer {
  const size = Buffer.concat([Buffer.of(8), bigEndian(height, 2), bigEndian(width, 2)]);
  return Buffer.concat([
    latin1('\xFF\xD8'),
    segment(0xe0, latin1('JFIF\0\x01\x01\0\0\x01\0\x01\0\0')),
    ...before,
    segment(frame, Buffer.concat([size, latin1('\x03\x01\x11\0\x02\x11\x01\x03\x11\x01')])),
    segment(0xda, Buffer.alloc(10)),
  ]);
}

function riff(chunk: string, content: Buffer): Buffer {
  const body = Buffer.concat([latin1(`WEBP${chunk}`), littleEndian(content.length, 4), content]);
  return Buffer.concat([latin1('RIFF'), littleEndian(body.length, 4), body]);
}

export const webpOf = {
  lossy(width: number, height: number): Buffer {
    // The two high bits scale the picture where it is shown; they are not of its size.
    const size = [littleEndian(width | 0x4000, 2), littleEndian(height | 0x8000, 2)];
    return riff('VP8 ', Buffer.concat([latin1('\x30\x03\0\x9D\x01\x2A'), ...size]));
  },
  lossless(width: number, height: number): Buffer {
    const bits = (((height - 1) << 14) | (width - 1)) >>> 0;
    return riff('VP8L', Buffer.concat([Buffer.of(0x2f), littleEndian(bits, 4), Buffer.alloc(8)]));
  },
  extended(width: number, height: number): Buffer {
    const size = [littleEndian(width - 1, 3), littleEndian(height - 1, 3)];
    return riff('VP8X', Buffer.concat([Buffer.of(0x20, 0, 0, 0), ...size]));
  },
};

/** A box of ISO/IEC 14496-12. */
export function box(type: string, ...content: Buffer[]): Buffer {
  const body = Buffer.concat([latin1(type), ...content]);
  return Buffer.concat([bigEndian(body.length + 4, 4), body]);
}

/** The same with its size in eight bytes. */
export function largeBox(type: string, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content);
  return Buffer.concat([
    bigEndian(1, 4),
    latin1(type),
    bigEndian(0, 2),
    bigEndian(body.length + 16, 6),
    body,
  ]);
}

export function extent(width: number, height: number): Buffer {
  return box('ispe', Buffer.alloc(4), bigEndian(width, 4), bigEndian(height, 4));
}

/** An AVIF (or another brand) with the properties; the last box is the picture itself. */
export function avifOf(properties: Buffer[], { brand = 'avif', wrap = box } = {}): Buffer {
  const container = wrap('ipco', ...properties);
  return Buffer.concat([
    box('ftyp', latin1(`${brand}\0\0\0\0mif1miaf`)),
    box('free', Buffer.alloc(20)),
    wrap(
      'meta',
      Buffer.alloc(4),
      box('hdlr', Buffer.alloc(24)),
      box('pitm', Buffer.alloc(6)),
      wrap('iprp', container, box('ipma', Buffer.alloc(9))),
    ),
    box('mdat', Buffer.alloc(100)),
  ]);
}
