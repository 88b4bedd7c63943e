import dns from 'node:dns';

/**
 * Makes every name below `localhost` mean this machine, as RFC 6761 §6.3 asks of resolvers: not all have learnt it, and
 * buckets in host names are `<bucket>.localhost`.
 *
 * @returns what undoes it
 */
export function resolveLoopbackNames(): () => void {
  const original = dns.lookup;
  const lookup = (
    name: string,
    options: dns.LookupOptions,
    callback: (error: null, address: string | dns.LookupAddress[], family?: number) => void,
  ): void => {
    if (!/(^|\.)localhost$/i.test(name)) {
      (original as (...args: unknown[]) => void)(name, options, callback);
    } else if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }]);
    else callback(null, '127.0.0.1', 4);
  };
  dns.lookup = lookup as typeof dns.lookup;
  return () => {
    dns.lookup = original;
  };
}
