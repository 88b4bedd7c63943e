import { FAULTED_BACKENDS } from './backends.js';
import { describeFaults } from './matrix.js';

// Some of what `npm run test:faults` tries.
for (const name of Object.keys(FAULTED_BACKENDS) as (keyof typeof FAULTED_BACKENDS)[]) {
  describeFaults(name, {
    operations: ['put create-only', 'put large', 'getBytes', 'delete', 'completeMultipart'],
    faults: ['reset', 'truncate', 'lose answer', '500', '200 with error'],
  });
}
