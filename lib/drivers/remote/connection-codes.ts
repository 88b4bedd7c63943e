/** Node's codes of a connection that failed. */
export const CONNECTION_CODES: ReadonlySet<string> = new Set([
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'EPROTO',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

/** Of a request that has waited in vain for one of its agent's connections. */
export const NO_CONNECTION = 'ENOCONNECTION';

/** With these nothing has reached the service. */
export const UNREACHED_CODES: ReadonlySet<string> = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  NO_CONNECTION,
]);

/** One sentence that says what to look at. */
export function connectionFailure(code: string, option: string): string {
  const advice = ADVICE[code];
  return advice === undefined
    ? `The connection to the backend failed (${code})`
    : `The backend cannot be reached: ${advice.replace('{option}', option)} (${code})`;
}

const UNKNOWN_HOST = 'no address is known of its host; check {option}, and the DNS of this machine';
const NO_WAY = 'no way leads to its address; check {option}, and the firewalls on the way';
const ADVICE: Readonly<Record<string, string>> = {
  EAI_AGAIN: UNKNOWN_HOST,
  ECONNREFUSED: 'nothing listens at its address; check {option}, and that the service runs',
  EHOSTDOWN: NO_WAY,
  EHOSTUNREACH: NO_WAY,
  ENETDOWN: NO_WAY,
  ENETUNREACH: NO_WAY,
  ENOTFOUND: UNKNOWN_HOST,
  EPROTO:
    'what answers there does not speak TLS as it should; check the scheme (http or https) and the port of {option}',
};
