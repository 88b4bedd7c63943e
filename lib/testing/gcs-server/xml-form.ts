import { readForm, type UploadForm } from '../servers/form-data.js';
import { checkPolicy, type SizeLimits } from '../servers/form-policy.js';
import { parseTimestamp } from '../servers/timestamp.js';
import { element, xmlDocument } from '../servers/xml.js';
import type { GcsCall, GcsResponse, GcsService, Operation } from './call.js';
import { accessDenied, invalid, notImplemented } from './errors.js';
import { xmlEtag } from './object-headers.js';
import type { StoredObject } from './object-store.js';
import { declaredChecksums, keep, verifyChecksums } from './receive.js';
import { isSigned, parseCredential, signatureDoesNotMatch } from './signed-request.js';
import { checkSize, describeXmlUpload } from './xml-uploads.js';

/** An upload from an HTML form, allowed by the V4 policy signed for it. */
export const postForm: Operation = async (call, service) => {
  const bucket = service.store.bucket(call.bucket);
  const form = await readForm(call.body(), call.headers.get('content-type') ?? '');
  const limits = verifiedLimits(form, call, service);
  const name = (form.fields.get('key') ?? '').replaceAll('${filename}', form.fileName);
  refuseUnknownFields(form.fields);
  const headers = latin1(form.fields);
  const { attributes } = describeXmlUpload({ name, headers });

  const content = await keep(withinLimit(form.file, limits), service.storage);
  try {
    checkSize(content.body.size, limits);
    verifyChecksums(declaredChecksums(headers), content);
    const object = bucket.commit(name, content, attributes, {}, call.now);
    return answer(form.fields, object, service);
  } catch (error) {
    content.body.release();
    throw error;
  }
};

const ALGORITHM = 'GOOG4-RSA-SHA256';
/** Fields no condition has to cover. */
const EXEMPT = ['policy', 'x-goog-signature', 'file'];

function verifiedLimits(
  { fields }: UploadForm,
  { bucket, now }: GcsCall,
  { account }: GcsService,
): SizeLimits {
  const field = (name: string): string => {
    const value = fields.get(name);
    if (value === undefined) throw accessDenied(`The form must have a field ${name}.`);
    return value;
  };
  const policy = field('policy');
  if (field('x-goog-algorithm') !== ALGORITHM) throw invalid('Unsupported x-goog-algorithm.');
  const date = field('x-goog-date');
  if (Number.isNaN(parseTimestamp(date))) throw invalid(`Invalid x-goog-date: ${date}`);
  parseCredential(field('x-goog-credential'), date, account);
  if (!isSigned(policy, field('x-goog-signature'), account)) {
    throw signatureDoesNotMatch({ StringToSign: policy });
  }
  return checkPolicy(policy, fields, { bucket, now, exempt: EXEMPT });
}

const KNOWN_FIELDS =
  /^x-goog-(algorithm|credential|date|signature|custom-time|storage-class|hash|meta-.+)$/;

function refuseUnknownFields(fields: ReadonlyMap<string, string>): void {
  for (const name of fields.keys()) {
    const unknown = name === 'acl' || (name.startsWith('x-goog-') && !KNOWN_FIELDS.test(name));
    if (unknown) throw notImplemented(`the form field ${name}`);
  }
}

/** As headers come, one character a byte; the text of fields is decoded already. */
function latin1(fields: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...fields].map(([name, value]) => [name, Buffer.from(value).toString('latin1')]));
}

/** Ends an upload that is too large at once, instead of taking all of it in. */
async function* withinLimit(
  source: AsyncIterable<Buffer>,
  limits: SizeLimits,
): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > limits.max) checkSize(size, limits);
    yield chunk;
  }
}

function answer(
  fields: ReadonlyMap<string, string>,
  object: StoredObject,
  { endpoint }: GcsService,
): GcsResponse {
  const etag = xmlEtag(object);
  const location = `${endpoint}/${object.bucket}/${encodeURIComponent(object.name)}`;
  const redirect = fields.get('success_action_redirect');
  if (redirect !== undefined && URL.canParse(redirect)) {
    const url = new URL(redirect);
    url.searchParams.set('bucket', object.bucket);
    url.searchParams.set('key', object.name);
    url.searchParams.set('etag', etag);
    return { status: 303, headers: { location: url.href, etag, 'content-length': 0 } };
  }
  const status = fields.get('success_action_status');
  if (status !== '201') {
    return { status: status === '200' ? 200 : 204, headers: { location, etag } };
  }
  return {
    status: 201,
    headers: { location, etag, 'content-type': 'application/xml; charset=UTF-8' },
    text: xmlDocument(
      'PostResponse',
      [
        element('Location', location),
        element('Bucket', object.bucket),
        element('Key', object.name),
        element('ETag', etag),
      ],
      { namespace: false },
    ),
  };
}
