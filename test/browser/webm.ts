import type { Page } from 'playwright-core';

interface Movie {
  readonly width: number;
  readonly height: number;
  /** Key frames of VP8, shown one after the other, again and again. */
  readonly frames: readonly Buffer[];
  /** Milliseconds that each of them is shown. */
  readonly frameDuration: number;
  /** Milliseconds in all. */
  readonly duration: number;
}

/** Noise that does not compress, encoded by the browser itself. The page has to be of a secure context. */
export async function noise(page: Page, count: number): Promise<Movie> {
  const [width, height] = [480, 360];
  const encoded = await page.evaluate<string[]>(`(async () => {
    const frames = [];
    const encoder = new VideoEncoder({
      output: (chunk) => {
        const bytes = new Uint8Array(chunk.byteLength);
        chunk.copyTo(bytes);
        frames.push(btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')));
      },
      error: (error) => { throw error; },
    });
    encoder.configure({ codec: 'vp8', width: ${width}, height: ${height}, bitrate: 50_000_000 });
    for (let index = 0; index < ${count}; index++) {
      const pixels = new Uint8Array(${width * height * 4});
      for (let at = 0; at < pixels.length; at += 65536) {
        crypto.getRandomValues(pixels.subarray(at, at + 65536));
      }
      const frame = new VideoFrame(pixels, {
        format: 'RGBX', codedWidth: ${width}, codedHeight: ${height}, timestamp: index * 500_000,
      });
      encoder.encode(frame, { keyFrame: true });
      frame.close();
    }
    await encoder.flush();
    return frames;
  })()`);
  const frames = encoded.map((frame) => Buffer.from(frame, 'base64'));
  return { width, height, frames, frameDuration: 500, duration: 120_000 };
}

/** A WebM file with an index at its beginning, so that a player can seek. */
export function webm({ width, height, frames, frameDuration, duration }: Movie): Buffer {
  const times = Array.from({ length: duration / frameDuration }, (_, at) => at * frameDuration);
  const clusters = times.map((time, at) =>
    element(
      0x1f43b675,
      uint(0xe7, time),
      element(0xa3, Buffer.from([0x81, 0, 0, 0x80]), frames[at % frames.length]!),
    ),
  );
  const info = element(
    0x1549a966,
    uint(0x2ad7b1, 1_000_000),
    double(0x4489, duration),
    element(0x4d80, Buffer.from('test')),
    element(0x5741, Buffer.from('test')),
  );
  const video = element(0xe0, uint(0xb0, width), uint(0xba, height));
  const tracks = element(
    0x1654ae6b,
    element(
      0xae,
      uint(0xd7, 1),
      uint(0x73c5, 1),
      uint(0x83, 1),
      uint(0x9c, 0),
      element(0x86, Buffer.from('V_VP8')),
      video,
    ),
  );
  // All numbers have eight bytes, so the index is as long with whatever positions.
  const cues = (start: number): Buffer => {
    let position = start;
    return element(
      0x1c53bb6b,
      ...times.map((time, at) => {
        const place = element(0xb7, uint(0xf7, 1), uint(0xf1, position));
        position += clusters[at]!.length;
        return element(0xbb, uint(0xb3, time), place);
      }),
    );
  };
  const start = info.length + tracks.length + cues(0).length;
  return Buffer.concat([
    element(
      0x1a45dfa3,
      uint(0x4286, 1),
      uint(0x42f7, 1),
      uint(0x42f2, 4),
      uint(0x42f3, 8),
      element(0x4282, Buffer.from('webm')),
      uint(0x4287, 2),
      uint(0x4285, 2),
    ),
    element(0x18538067, info, tracks, cues(start), ...clusters),
  ]);
}

/** RFC 8794: an id, a length of eight bytes, and what it holds. */
function element(id: number, ...content: readonly Uint8Array[]): Buffer {
  const name = Buffer.from(id.toString(16), 'hex');
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(content.reduce((sum, { length }) => sum + length, 0)));
  length[0] = 0x01;
  return Buffer.concat([name, length, ...content]);
}

function uint(id: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return element(id, bytes);
}

function double(id: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return element(id, bytes);
}
