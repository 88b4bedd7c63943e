import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { AppSettings } from '../nest/app-fixture.js';

type Adapter = AppSettings['adapter'];

/** Everything about serving holds on both. */
export const ADAPTERS: readonly (readonly [name: string, create: () => Adapter])[] = [
  ['Express', () => undefined],
  [
    'Fastify',
    () => new FastifyAdapter({ routerOptions: { maxParamLength: 1000 } }) as unknown as Adapter,
  ],
];
