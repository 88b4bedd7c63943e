import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';

/** What the README's example promises, from the outside. */
export async function uploadRoundTrip(url, folder) {
  const image = png(300, 300);
  const created = await send(url, image, 'photo.png');
  const file = await created.json();
  assert.equal(created.status, 201, JSON.stringify(file));
  assert.equal(file.size, image.length);
  assert.equal(file.contentType, 'image/png');

  const location = `${url}/photos/${file.key}`;
  const served = await fetch(location);
  assert.equal(served.status, 200);
  assert.equal(served.headers.get('content-type'), 'image/png');
  assert.deepEqual(Buffer.from(await served.arrayBuffer()), image);

  const part = await fetch(location, { headers: { range: 'bytes=0-7' } });
  assert.equal(part.status, 206);
  assert.deepEqual(Buffer.from(await part.arrayBuffer()), image.subarray(0, 8));

  const etag = served.headers.get('etag');
  const cached = await fetch(location, { headers: { 'if-none-match': etag } });
  assert.equal(cached.status, 304);

  const refused = await send(url, Buffer.from('<html><script></script></html>'), 'photo.png');
  assert.equal(refused.status, 415);
  const folderNow = await readdir(join(folder, 'var/uploads'));
  assert.deepEqual(
    folderNow.filter((name) => !name.startsWith('.')),
    [file.key],
  );

  const removed = await fetch(location, { method: 'DELETE' });
  assert.equal(removed.status, 204);
  assert.equal((await fetch(location)).status, 404);
}

/** A picture in two requests of tus, in between of which the client asks how far it has come. */
export async function resumableRoundTrip(url, folder) {
  const image = png(300, 300);
  const tus = (path, method, headers, body) =>
    fetch(new URL(path, url), { method, headers: { 'tus-resumable': '1.0.0', ...headers }, body });
  const created = await tus('/files', 'POST', { 'upload-length': String(image.length) });
  assert.equal(created.status, 201);
  const location = created.headers.get('location');
  for (const [start, end] of [
    [0, 1000],
    [1000, image.length],
  ]) {
    const asked = await tus(location, 'HEAD', {});
    assert.equal(asked.headers.get('upload-offset'), String(start));
    const headers = {
      'content-type': 'application/offset+octet-stream',
      'upload-offset': String(start),
    };
    const appended = await tus(location, 'PATCH', headers, image.subarray(start, end));
    assert.equal(appended.status, 204, await appended.text());
  }
  const [key] = (await readdir(join(folder, 'var/uploads'))).filter(
    (name) => !name.startsWith('.'),
  );
  assert.match(key, /^[0-9a-f]{32}\.png$/);
}

function send(url, bytes, name) {
  const form = new FormData();
  form.append('photo', new Blob([bytes], { type: 'image/png' }), name);
  return fetch(`${url}/photos`, { method: 'POST', body: form });
}

/** A grey picture of noise, so that it does not compress to nothing. */
function png(width, height) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  const rows = Array.from({ length: height }, () => [Buffer.from([0]), randomBytes(width)]).flat();
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1A\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.concat(rows))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(body.length + 8);
  frame.writeUInt32BE(data.length, 0);
  body.copy(frame, 4);
  frame.writeUInt32BE(crc32(body), body.length + 4);
  return frame;
}
