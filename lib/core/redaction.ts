/** Characters of somebody else's text that an error shows. */
const MAX_LENGTH = 500;

const MARK = '…';

/** What is replaced by the mark; the first group stays. */
const SECRETS: readonly RegExp[] = [
  /()-----BEGIN [^-]*-----(?:[^-]|-(?!----END))*(?:-----END [^-]*-----)?/g,
  // The whole line: such a header has several parts, and any of them may be the signature.
  /(\b(?:Authorization|X-Amz-Security-Token)["']?\s*[:>]\s*["']?)[^"'\r\n<]+/gi,
  /((?:\bsig|signature|credential|token|assertion|upload_id|secret\w*|password|account_?key|private_?key)["']?\s*[=:>]\s*["']?)[^&\s"',;<]+/gi,
  /(\b(?:Bearer|SharedKey)\s+)[^\s"',;<]+/gi,
  /(\bBasic\s+)[\w+/]{8,}=*/gi,
  /(\bya29\.)[\w-]+/g,
  /(:\/\/)[^\s/?#@]*(?=@)/g,
  // As long and as mixed as access keys and tokens are. Neither words nor UUIDs nor sums in hexadecimal are.
  /()(?<![\w+/-])(?=[\w+/-]*[a-z])(?=[\w+/-]*[A-Z])(?=[\w+/-]*\d)[\w+/-]{32,}=*/g,
];

/**
 * Text of a service, an SDK or whoever else answered, as an error may show it: short, and without what looks like a
 * credential, a token or a signature. Some services repeat the request that they refuse.
 */
export function redacted(text: string): string {
  // What is thrown away is not looked at, but for the end of a secret that is cut through.
  const head = text.length > 2 * MAX_LENGTH ? text.slice(0, 2 * MAX_LENGTH) : text;
  const clean = SECRETS.reduce((rest, secret) => rest.replace(secret, `$1${MARK}`), head);
  return clean.length > MAX_LENGTH ? clean.slice(0, MAX_LENGTH) + MARK : clean;
}

/** A key as an error may show it: of a signed URL that was taken for one, without the query. */
export function redactedKey(key: string): string {
  const query = key.indexOf('?');
  const isSigned = query !== -1 && (key.includes('://') || SIGNED.test(key));
  return isSigned ? `${key.slice(0, query + 1)}${MARK}` : key;
}

const SIGNED = /[?&](?:X-Amz-|X-Goog-|AWSAccessKeyId=|GoogleAccessId=|Signature=|sig=)/i;
