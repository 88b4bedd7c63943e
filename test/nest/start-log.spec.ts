import type { LoggerService } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { StorageModule } from '../../lib/index.js';

test('the start is logged, a line for each storage, without what its options hold', async () => {
  const lines: string[] = [];
  const note = (message: unknown): void => void lines.push(String(message));
  const logger: LoggerService = { log: note, warn: note, error: note };
  const module = await Test.createTestingModule({
    imports: [
      StorageModule.forRoot({
        default: 'images',
        storages: {
          images: {
            driver: 's3',
            bucket: 'b',
            region: 'eu-central-1',
            accessKeyId: 'AKIDSECRET',
            secretAccessKey: 'SECRET',
            prefix: 'img/',
          },
          scratch: { driver: 'memory' },
        },
      }),
    ],
  })
    .setLogger(logger)
    .compile();
  await module.init();
  await module.close();
  expect(lines.filter((line) => line.startsWith('Storage '))).toEqual([
    'Storage "images" (s3 below "img/"), the default, opens on first use',
    'Storage "scratch" (memory) opens on first use',
  ]);
  expect(lines.join('\n')).not.toContain('SECRET');
});
