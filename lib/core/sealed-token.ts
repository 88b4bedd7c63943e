import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { type DerivedKey, deriveKeys, type SigningKey } from './signing-keys.js';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What a sealed token says: plain JSON, and until when it may be said. */
interface Sealed<Claims> {
  readonly claims: Claims;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/**
 * Makes tokens that say something to whoever has the keys, and nothing to anybody else: AES-256-GCM, so that they can be
 * neither read nor altered. What they hold needs no other memory; every process with the same keys opens them.
 *
 * @typeParam Claims plain JSON
 */
export class TokenSealer<Claims extends object> {
  readonly #keys: readonly [DerivedKey, ...DerivedKey[]];

  /**
   * @param purpose what the tokens are for: those of one purpose are nothing to another
   * @throws StorageConfigurationError when the keys are not well-formed
   */
  constructor(signingKeys: readonly SigningKey[], purpose: string) {
    this.#keys = deriveKeys(signingKeys, `sealed token\n${purpose}`);
  }

  /** A token of `[A-Za-z0-9_-]` and two dots, for paths of URLs. Each is another one. */
  seal(claims: Claims, expiresAt: Date): string {
    const [{ id, key }] = this.#keys;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.setAAD(Buffer.from(id));
    const sealed: Sealed<Claims> = { claims, expires: expiresAt.getTime() };
    const text = [cipher.update(JSON.stringify(sealed)), cipher.final(), cipher.getAuthTag()];
    return `v1.${id}.${Buffer.concat([nonce, ...text]).toString('base64url')}`;
  }

  /** What was sealed, or `undefined` for what is no such token, is altered in any way, or is over. */
  open(token: string, now = Date.now()): Claims | undefined {
    const [, id, text] = /^v1\.([\w-]+)\.([\w-]+)$/.exec(token) ?? [];
    const key = this.#keys.find((each) => each.id === id)?.key;
    if (id === undefined || text === undefined || !key) return undefined;
    const bytes = Buffer.from(text, 'base64url');
    // One spelling: base64url has spare bits at its end.
    const isWhole = bytes.length > NONCE_BYTES + TAG_BYTES && bytes.toString('base64url') === text;
    if (!isWhole) return undefined;
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.from(id));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    const opened = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8');
    try {
      const { claims, expires } = JSON.parse(opened + decipher.final('utf8')) as Sealed<Claims>;
      return expires > now ? claims : undefined;
    } catch {
      return undefined;
    }
  }
}
