/** URLs of the proxies that the environment names, as SDKs look for them. */
export function proxiesOfEnvironment(): string[] {
  return ['HTTPS_PROXY', 'ALL_PROXY', 'HTTP_PROXY']
    .flatMap((name) => [process.env[name], process.env[name.toLowerCase()]])
    .filter((url) => url !== undefined && url !== '')
    .map(String);
}

/** The passwords of those proxies. */
export function proxyPasswords(): string[] {
  return proxiesOfEnvironment().flatMap((url) => {
    // Proxies are often named without a scheme.
    const withScheme = url.includes('://') ? url : `http://${url}`;
    if (!URL.canParse(withScheme)) return [];
    const { password } = new URL(withScheme);
    return [password];
  });
}
