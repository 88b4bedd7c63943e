import { ByteReader } from './byte-reader.js';
import { FormError } from './form-error.js';

export interface UploadForm {
  /** Fields before the file, by lower-case name. */
  readonly fields: ReadonlyMap<string, string>;
  readonly fileName: string;
  /** The file's bytes; throws when the form ends within them. */
  readonly file: AsyncIterable<Buffer>;
}

/** Bytes of form ahead of the file: S3 allows 20 KB. */
const FIELDS_LIMIT = 20_000;

/**
 * Reads a multipart/form-data body (RFC 7578) up to its `file` field. What comes after the file is ignored.
 *
 * @throws FormError MalformedPOSTRequest, MaxPostPreDataLengthExceeded, InvalidArgument when there is no file
 */
export async function readForm(
  body: AsyncIterable<Buffer>,
  contentType: string,
): Promise<UploadForm> {
  const boundary = /;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType);
  const name = boundary?.[1] ?? boundary?.[2];
  if (name === undefined) throw malformed();
  const reader = new ByteReader(body);
  const delimiter = Buffer.from(`\r\n--${name}`);
  if ((await reader.line(FIELDS_LIMIT)) !== `--${name}`) throw malformed();

  const fields = new Map<string, string>();
  let size = 0;
  for (;;) {
    const part = await readPartHeader(reader);
    if (part.name === 'file') {
      return {
        fields,
        fileName: part.fileName,
        file: fileBytes(reader, delimiter),
      };
    }
    const chunks: Buffer[] = [];
    for await (const chunk of fileBytes(reader, delimiter)) {
      size += chunk.length;
      if (size > FIELDS_LIMIT) {
        throw new FormError(
          'MaxPostPreDataLengthExceeded',
          'Your POST request fields preceding the upload file were too large.',
        );
      }
      chunks.push(chunk);
    }
    fields.set(part.name, Buffer.concat(chunks).toString('utf8'));
    if ((await reader.line(FIELDS_LIMIT)) !== '') {
      throw new FormError('InvalidArgument', 'POST requires exactly one file upload per request.', {
        ArgumentName: 'file',
        ArgumentValue: 0,
      });
    }
  }
}

async function* fileBytes(reader: ByteReader, delimiter: Buffer): AsyncGenerator<Buffer> {
  const complete = yield* reader.until(delimiter);
  if (!complete) throw malformed();
}

async function readPartHeader(reader: ByteReader): Promise<{ name: string; fileName: string }> {
  let disposition = '';
  for (;;) {
    const line = await reader.line(FIELDS_LIMIT);
    if (line === undefined) throw malformed();
    if (line === '') break;
    if (/^content-disposition:/i.test(line)) disposition = line;
  }
  // Browsers send names as UTF-8 bytes, and escape quotes as %22.
  const text = Buffer.from(disposition, 'latin1').toString('utf8');
  const name = /;\s*name="([^"]*)"/i.exec(text)?.[1];
  if (!name) throw malformed();
  return {
    name: name.toLowerCase(),
    fileName: /;\s*filename="([^"]*)"/i.exec(text)?.[1] ?? '',
  };
}

function malformed(): FormError {
  return new FormError(
    'MalformedPOSTRequest',
    'The body of your POST request is not well-formed multipart/form-data.',
  );
}
