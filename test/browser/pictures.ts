import { randomBytes } from 'node:crypto';
import { crc32, deflateSync } from 'node:zlib';
import type { Page } from 'playwright-core';

/** A PNG of coloured noise: about three bytes a pixel, as noise does not compress. */
export function noisePng(width: number, height: number): Buffer {
  const rows = Array.from({ length: height }, () =>
    Buffer.concat([Buffer.of(0), randomBytes(width * 3)]),
  );
  return png(width, height, Buffer.concat(rows));
}

function png(width: number, height: number, rows: Buffer): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8); // 8 bits each of red, green and blue
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const length = Buffer.alloc(4);
  const checksum = Buffer.alloc(4);
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  length.writeUInt32BE(data.length);
  checksum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, checksum]);
}

/** A landscape of two colours, painted and encoded by the browser. */
export async function landscape(
  page: Page,
  type: 'image/jpeg' | 'image/png',
  [near, far]: [string, string],
): Promise<Buffer> {
  const url = await page.evaluate<string>(`(() => {
    const canvas = document.createElement('canvas');
    canvas.width = 1200;
    canvas.height = 800;
    const context = canvas.getContext('2d');
    const sky = context.createLinearGradient(0, 0, 0, 800);
    sky.addColorStop(0, ${JSON.stringify(near)});
    sky.addColorStop(1, ${JSON.stringify(far)});
    context.fillStyle = sky;
    context.fillRect(0, 0, 1200, 800);
    context.fillStyle = ${JSON.stringify(far)};
    context.arc(850, 240, 80, 0, 7);
    context.fill();
    context.fillStyle = ${JSON.stringify(near)};
    context.fill(new Path2D('M0 800L420 400 720 640 900 520 1200 800z'));
    return canvas.toDataURL('${type}');
  })()`);
  return Buffer.from(url.slice(url.indexOf(',') + 1), 'base64');
}
