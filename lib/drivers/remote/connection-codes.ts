/** Node's codes of a connection that failed. */
export const CONNECTION_CODES: ReadonlySet<string> = new Set([
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'EMFILE',
  'ENETDOWN',
  'ENETUNREACH',
  'ENFILE',
  'ENOBUFS',
  'ENOTFOUND',
  'EPIPE',
  'EPROTO',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

/** Whether it is one of these, or tells of an answer that is no HTTP. */
export function isConnectionCode(code: string): boolean {
  return CONNECTION_CODES.has(code) || isOfParser(code);
}

function isOfParser(code: string): boolean {
  return code.startsWith('HPE_');
}

/** Of a request that has waited in vain for one of its agent's connections. */
export const NO_CONNECTION = 'ENOCONNECTION';

/** With these nothing has reached the service. */
export const UNREACHED_CODES: ReadonlySet<string> = new Set([
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'EMFILE',
  'ENETUNREACH',
  'ENFILE',
  'ENOTFOUND',
  NO_CONNECTION,
]);

/** One sentence that says what to look at. */
export function connectionFailure(code: string, option: string): string {
  const advice = ADVICE[code] ?? (isOfParser(code) ? NO_HTTP : undefined);
  return advice === undefined
    ? `The connection to the backend failed (${code})`
    : `The backend cannot be reached: ${advice.replace('{option}', option)} (${code})`;
}

const UNKNOWN_HOST = 'no address is known of its host; check {option}, and the DNS of this machine';
const NO_WAY = 'no way leads to its address; check {option}, and the firewalls on the way';
const NO_DESCRIPTOR =
  'as many files and connections are open as may be; raise that limit (ulimit -n), or lower maxSockets';
const NO_HTTP =
  'what answers there does not speak HTTP as it should; check the scheme (http or https) and the port of {option}';
const ADVICE: Readonly<Record<string, string>> = {
  EAI_AGAIN: UNKNOWN_HOST,
  ECONNREFUSED: 'nothing listens at its address; check {option}, and that the service runs',
  EHOSTDOWN: NO_WAY,
  EHOSTUNREACH: NO_WAY,
  EMFILE: NO_DESCRIPTOR,
  ENETDOWN: NO_WAY,
  ENETUNREACH: NO_WAY,
  ENFILE: NO_DESCRIPTOR,
  ENOTFOUND: UNKNOWN_HOST,
  EPROTO:
    'what answers there does not speak TLS as it should; check the scheme (http or https) and the port of {option}',
};
