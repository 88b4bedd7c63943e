import { createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

/** As a key file has it. */
export interface GcsServiceAccount {
  readonly client_email: string;
  /** PEM (PKCS #8). */
  readonly private_key: string;
}

const EMAIL = 'tester@test-project.iam.gserviceaccount.com';

let account: Promise<GcsServiceAccount> | undefined;

/** The account all servers of this process know: making a key takes long enough to do it once. */
export function serviceAccount(): Promise<GcsServiceAccount> {
  account ??= promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  }).then(({ privateKey }) => ({ client_email: EMAIL, private_key: privateKey }));
  return account;
}

export function publicKeyOf({ private_key }: GcsServiceAccount): KeyObject {
  return createPublicKey(private_key);
}
