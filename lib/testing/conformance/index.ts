export type { Behaviour, BehaviourContext, BehaviourGroup } from './behaviour.js';
export { servedUrlBehaviours, shutdownBehaviours, storageBehaviours } from './behaviours.js';
export {
  checkBehaviour,
  describeStorageDriver,
  type DescribeStorageOptions,
  type OpenedStorage,
  type TestRunner,
} from './describe-storage-driver.js';
