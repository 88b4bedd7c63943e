import sharp from 'sharp';

/** Milliseconds that each frame is shown. */
const FRAME = 1000;

/**
 * A film in WebM, of coloured noise that changes each second, with an index of its frames (RFC 8794, RFC 9559). A lossy WebP is a
 * key frame of VP8, so no encoder for films is needed.
 */
export async function webm(
  seconds: number,
  { width = 64, height = 48 }: { width?: number; height?: number } = {},
): Promise<Buffer> {
  const pictures = await Promise.all(
    Array.from({ length: Math.min(seconds, 6) }, (_, at) => keyFrame(width, height, at)),
  );
  const frames = Array.from({ length: seconds }, (_, at) => pictures[at % pictures.length]!);
  const information = element(
    '1549A966',
    element('2AD7B1', number(1_000_000)),
    element('4489', float(seconds * FRAME)),
    element('4D80', Buffer.from('test')),
    element('5741', Buffer.from('test')),
  );
  const video = element('E0', element('B0', number(width)), element('BA', number(height)));
  const track = [element('D7', number(1)), element('73C5', number(1)), element('83', number(1))];
  const tracks = element(
    '1654AE6B',
    element('AE', ...track, element('86', Buffer.from('V_VP8')), video),
  );
  const clusters = frames.map((frame, at) =>
    element(
      '1F43B675',
      element('E7', number(at * FRAME)),
      element('A3', Buffer.of(0x81, 0, 0, 0x80), frame),
    ),
  );
  // Positions count from the first byte inside of the segment, where the list of what is where stands.
  const before = seekHead(0).length + information.length + tracks.length;
  let position = before;
  const points = clusters.map((cluster, at) => {
    const place = element('B7', element('F7', number(1)), element('F1', number(position)));
    position += cluster.length;
    return element('BB', element('B3', number(at * FRAME)), place);
  });
  const cues = element('1C53BB6B', ...points);
  return Buffer.concat([
    element(
      '1A45DFA3',
      element('4286', number(1)),
      element('42F7', number(1)),
      element('42F2', number(4)),
      element('42F3', number(8)),
      element('4282', Buffer.from('webm')),
      element('4287', number(2)),
      element('4285', number(2)),
    ),
    element('18538067', seekHead(position), information, tracks, ...clusters, cues),
  ]);
}

function seekHead(cues: number): Buffer {
  const id = element('53AB', Buffer.from('1C53BB6B', 'hex'));
  return element('114D9B74', element('4DBB', id, element('53AC', number(cues))));
}

async function keyFrame(width: number, height: number, seed: number): Promise<Buffer> {
  const noise = { type: 'gaussian', mean: 40 + seed * 32, sigma: 60 } as const;
  const picture = await sharp({ create: { width, height, channels: 3, background: '#000', noise } })
    .webp({ quality: 90 })
    .toBuffer();
  // RIFF: twelve bytes, then the one chunk with its name and length.
  return picture.subarray(20, 20 + picture.readUInt32LE(16));
}

function element(id: string, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content);
  const size = number(body.length);
  size[0] = 0x01;
  return Buffer.concat([Buffer.from(id, 'hex'), size, body]);
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

function float(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes;
}
