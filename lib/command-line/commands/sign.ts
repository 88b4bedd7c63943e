import ms from 'ms';
import type { Storage } from '../../core/storage.js';
import { parseExpiresIn } from '../../core/units.js';
import type { StorageConfiguration } from '../../drivers/driver-options.js';
import type { Command, OptionValues } from '../command.js';
import { SHARED_OPTIONS, textOf } from '../option-values.js';
import { assertFile } from '../place.js';
import { UsageError } from '../usage-error.js';

export const sign: Command = {
  summary: 'Prints a URL that reads a file until it expires, or with --put one that stores it.',
  synopsis: '<address> [--expires 1h] [--put] [--content-type text/plain]',
  operands: [1, 1],
  onlyPrints: true,
  options: {
    expires: { type: 'string', description: 'lifetime of the URL, such as 1h' },
    put: { type: 'boolean', description: 'a URL that stores a file' },
    'content-type': SHARED_OPTIONS['content-type'],
  },
  async run({ open, operands, values, print, signal }) {
    const place = open(operands[0]!);
    assertFile(place, operands[0]!, 'sign');
    const { storage, configuration, path } = place;
    if (lacksSigner(configuration)) {
      throw new UsageError(
        `sign: no server answers for ${operands[0]!}: take a storage of --config that has baseUrl and signingKeys, those of the app that serves it`,
      );
    }
    const contentType = textOf(values, 'content-type');
    const expiresIn = await lifetimeOf(values, storage);
    const options = {
      signal,
      ...(expiresIn !== undefined && { expiresIn }),
      ...(contentType !== undefined && { contentType }),
    };
    if (values['put'] === true) {
      const target = await storage.uploadUrl(path, options);
      const headers = Object.entries(target.headers).map(([name, value]) => `${name}: ${value}`);
      await print(target, target.url, ...headers);
    } else {
      const url = await storage.url(path, options);
      await print({ method: 'GET', url }, url);
    }
    return true;
  },
};

/** Seconds. @throws UsageError */
async function lifetimeOf(values: OptionValues, storage: Storage): Promise<number | undefined> {
  const text = textOf(values, 'expires');
  if (text === undefined) return undefined;
  await storage.open();
  const { maxExpiresIn } = storage.capabilities.limits;
  try {
    return parseExpiresIn(text, maxExpiresIn);
  } catch (cause) {
    throw new UsageError(
      `--expires must be a time from 1s to ${ms(maxExpiresIn * 1000)} with its unit, such as 90s, 15m, 2h or 7d, not ${JSON.stringify(text)}`,
      { cause },
    );
  }
}

function lacksSigner(configuration: StorageConfiguration): boolean {
  if (configuration.driver !== 'local' && configuration.driver !== 'memory') return false;
  return configuration.baseUrl === undefined || configuration.signingKeys === undefined;
}
