import type { Command } from '../command.js';
import { examine } from '../doctor/examine.js';
import { textOf } from '../option-values.js';

export const doctor: Command = {
  promise: 'Tries what an app does with a storage, and says what to change.',
  synopsis: '<address> [--origin https://app.example.com]',
  operands: [1, 1],
  options: {
    origin: { type: 'string', description: 'whose pages are to upload: looks at CORS for them' },
  },
  async run({ openFolder, operands, values, print, signal }) {
    const { storage, configuration } = openFolder(operands[0]!);
    const findings = await examine({
      storage,
      bucket: 'bucket' in configuration ? configuration.bucket : undefined,
      origin: textOf(values, 'origin'),
      signal,
      report: async (observation) => {
        const { check, outcome, detail, advice } = observation;
        const line = `${outcome.padEnd(8)} ${check.padEnd(11)} ${detail}`;
        await print(observation, advice === undefined ? line : `${line}\n  -> ${advice}`);
      },
    });
    return findings === 0;
  },
};
