export const BOUNDARY = 'form-boundary-7d1';

export interface Part {
  name: string;
  /** Absent: a text field. Written as it is, so that it may be hostile. */
  filename?: string | Buffer;
  type?: string;
  content?: string | Buffer;
}

/** A multipart form, byte by byte as given. */
export function form(...parts: Part[]): Buffer {
  return Buffer.concat([...parts.map(part), Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

export function part({ name, filename, type, content = '' }: Part): Buffer {
  return Buffer.concat([partHead({ name, filename, type }), Buffer.from(content), CRLF]);
}

const CRLF = Buffer.from('\r\n');

/** What stands before the content of a part. */
export function partHead({
  name,
  filename,
  type = 'application/octet-stream',
}: {
  name: string;
  filename?: string | Buffer | undefined;
  type?: string | undefined;
}): Buffer {
  const start = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"`;
  if (filename === undefined) return Buffer.from(`${start}\r\n\r\n`);
  return Buffer.concat([
    Buffer.from(`${start}; filename="`),
    Buffer.from(filename),
    Buffer.from(`"\r\nContent-Type: ${type}\r\n\r\n`),
  ]);
}

export const formHeaders = { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}` };

/** The head of a POST request, for raw sockets. */
export function requestHead(
  path: string,
  length: number,
  type = formHeaders['Content-Type'],
): string {
  return `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n`;
}

/** A PNG by its first bytes, of the given size. */
export function png(size = 64): Buffer {
  const bytes = Buffer.alloc(size, 0x2e);
  Buffer.from('\x89PNG\r\n\x1A\n\0\0\0\rIHDR', 'latin1').copy(bytes);
  return bytes;
}
