export type {
  BackendNames,
  Behaviour,
  BehaviourContext,
  BehaviourGroup,
  BehaviourOutcome,
} from './behaviour.js';
export { servedBehaviours, shutdownBehaviours, storageBehaviours } from './behaviours.js';
export {
  checkBehaviour,
  describeStorageDriver,
  type DescribeStorageOptions,
  type OpenedStorage,
  type TestRunner,
} from './describe-storage-driver.js';
