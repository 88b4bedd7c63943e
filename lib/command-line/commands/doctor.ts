import type { Command } from '../command.js';
import { examine } from '../doctor/examine.js';
import { textOf } from '../option-values.js';
import { UsageError } from '../usage-error.js';

export const doctor: Command = {
  summary: 'Tries what an app does with a storage, and says what to change.',
  synopsis: '<address> [--origin https://app.example.com]',
  operands: [1, 1],
  options: {
    origin: { type: 'string', description: 'whose pages are to upload: looks at CORS for them' },
  },
  async run({ openFolder, operands, values, print, signal }) {
    const origin = parseOrigin(textOf(values, 'origin'));
    const { storage, configuration } = openFolder(operands[0]!);
    const findings = await examine({
      storage,
      bucket: 'bucket' in configuration ? configuration.bucket : undefined,
      origin,
      signal,
      report: async (observation) => {
        const { check, outcome, detail, advice } = observation;
        const line = `${outcome.padEnd(8)} ${check.padEnd(11)} ${detail}`;
        await print(observation, line, ...(advice === undefined ? [] : [`  -> ${advice}`]));
      },
    });
    return findings === 0;
  },
};

/** As browsers send it: in lower case, without the default port. @throws UsageError for a page, or a host alone */
function parseOrigin(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const { protocol, host, origin, href } = URL.canParse(value) ? new URL(value) : new URL('null:');
  // Of a scheme of its own, such as that of an app, the parser tells none.
  const parsed = origin === 'null' ? `${protocol}//${host}` : origin;
  if (host && (href === parsed || href === `${parsed}/`)) return parsed;
  throw new UsageError(
    '--origin must be scheme and host of the pages, without a path, such as https://app.example.com',
  );
}
