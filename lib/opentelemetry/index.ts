export { instrumentStorages, type StorageInstrumentationOptions } from './instrument-storages.js';
