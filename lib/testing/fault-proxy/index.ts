export { errorAnswer, type ErrorAnswerName, type ServiceDialect } from './error-answers.js';
export type { ProxyAnswer, ProxyFaultEffect, ProxyFaultOptions } from './proxy-faults.js';
export {
  startFaultProxy,
  type FaultProxy,
  type FaultProxyOptions,
  type ProxiedRequest,
} from './fault-proxy.js';
