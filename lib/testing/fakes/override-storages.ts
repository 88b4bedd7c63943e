import { getStorageToken } from '../../storage.tokens.js';
import type { FakeStorage } from './fake-storage.js';

/** What `Test.createTestingModule()` answers, as far as it is needed here. */
export interface ProviderOverrides {
  overrideProvider(token: unknown): { useValue(value: unknown): unknown };
}

/** Puts each fake in the place of the app's storage of that name, before the testing module is compiled. @publicApi */
export function overrideStorages<Builder extends ProviderOverrides>(
  builder: Builder,
  ...fakes: readonly FakeStorage[]
): Builder {
  for (const fake of fakes) builder.overrideProvider(getStorageToken(fake.name)).useValue(fake);
  return builder;
}
