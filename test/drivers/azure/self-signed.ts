import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ECDSA_WITH_SHA256 = sequence(Buffer.from('06082a8648ce3d040302', 'hex'));
const COMMON_NAME = Buffer.from('0603550403', 'hex');
const SUBJECT_ALT_NAME = Buffer.from('0603551d11', 'hex');
const LOOPBACK = Buffer.from([0x87, 4, 127, 0, 0, 1]);

/** A certificate that 127.0.0.1 signed for itself, and its key: valid for a day, and on disk only as long as it is used. */
export interface SelfSigned extends AsyncDisposable {
  /** PEM. */
  readonly certificate: string;
  /** Paths of the files. */
  readonly cert: string;
  readonly key: string;
}

export async function selfSigned(): Promise<SelfSigned> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  // RFC 5280 §4.1.
  const name = sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from('test')))));
  const validity = sequence(time(-86_400_000), time(86_400_000));
  const names = sequence(SUBJECT_ALT_NAME, der(0x04, sequence(LOOPBACK)));
  const body = sequence(
    der(0xa0, Buffer.from([2, 1, 2])),
    der(0x02, Buffer.from([1, ...randomBytes(8)])),
    ECDSA_WITH_SHA256,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(names)),
  );
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', body, privateKey)]);
  const whole = sequence(body, ECDSA_WITH_SHA256, der(0x03, signature));
  const certificate = `-----BEGIN CERTIFICATE-----\n${whole.toString('base64')}\n-----END CERTIFICATE-----\n`;
  const folder = await mkdtemp(join(tmpdir(), 'nestjs-storages-'));
  const cert = join(folder, 'cert.pem');
  const key = join(folder, 'key.pem');
  await writeFile(cert, certificate);
  await writeFile(key, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  return {
    certificate,
    cert,
    key,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(0x30, ...parts);
}

/** X.690 §8.1. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

/** UTCTime. */
function time(fromNow: number): Buffer {
  const text = new Date(Date.now() + fromNow).toISOString().replace(/^..|[-:T]|\..*/g, '');
  return der(0x17, Buffer.from(`${text}Z`));
}
