import { TokenSealer } from '../core/sealed-token.js';
import type { SigningKey } from '../core/signing-keys.js';
import { uploadNotFound } from '../uploads/upload.exceptions.js';
import { uploadExpired } from './tus.exceptions.js';

/** What the id of an upload says. */
export interface UploadClaims {
  /** In the staging area. */
  readonly name: string;
  readonly owner: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
}

/** The ids of uploads: sealed, so that nobody makes one up or learns from it where the bytes are. */
export class UploadIds {
  readonly #sealer: TokenSealer<UploadClaims>;

  /**
   * @param purpose what is uploaded: ids of one are nothing to another
   * @throws StorageConfigurationError when the keys are not well-formed
   */
  constructor(signingKeys: readonly SigningKey[], purpose: string) {
    this.#sealer = new TokenSealer(signingKeys, `tus upload\n${purpose}`);
  }

  seal(claims: UploadClaims): string {
    return this.#sealer.seal(claims, new Date(claims.expires));
  }

  /** @throws UploadException 404 for what is no id of the owner's, 410 for one that is over */
  open(id: string, owner: string): UploadClaims {
    // As if it were 1970, so that an id which is over can be told from one that never was.
    const claims = this.#sealer.open(id, 0);
    if (!claims || claims.owner !== owner) throw uploadNotFound();
    if (claims.expires <= Date.now()) throw uploadExpired();
    return claims;
  }
}
