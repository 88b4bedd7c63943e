import type { IncomingMessage } from 'node:http';
import { type Checksum, startChecksum } from '../../core/checksum.js';
import { StorageIntegrityError } from '../../core/errors.js';

/**
 * Makes the body of an answer fail instead of ending when its bytes are not those of the checksum. They are looked at as they
 * come in, so it has to be called before any of them is there.
 */
export function verifyAnswer(answer: IncomingMessage, { algorithm, value }: Checksum): void {
  const running = startChecksum(algorithm);
  const push = answer.push.bind(answer);
  let hasEnded = false;
  answer.push = (chunk: Buffer | null, encoding) => {
    if (chunk !== null) {
      running.update(chunk);
      return push(chunk, encoding);
    }
    if (hasEnded || running.digest().value === value) {
      hasEnded = true;
      return push(null);
    }
    answer.destroy(
      new StorageIntegrityError('The bytes that arrived do not have the checksum of the file'),
    );
    return false;
  };
}
