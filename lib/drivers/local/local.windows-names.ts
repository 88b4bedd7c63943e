const FORBIDDEN = /[<>:"|?*]/;
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[1-9¹²³]) *(?:\.|$)/i;
const SHORT_NAME = /^(?=[^.]{2,8}(?:\.|$))[^.]*~\d+(?:\.[^.]{1,3})?$/;

/**
 * Why a key, or the folders of one, cannot be a path on Windows that every program takes for this file and no other;
 * `undefined` when it can. Beside what is refused everywhere, such as a backslash.
 *
 * Node reaches some of these names by paths of the form `\\?\`; the programs that share the folder do not.
 */
export function brokenWindowsRule(key: string): string | undefined {
  for (const [index, segment] of key.split('/').entries()) {
    const rule = ruleBrokenBy(segment);
    // By its number: a signed URL that was taken for a key may have its signature in there.
    if (rule !== undefined) return `segment ${index + 1} ${rule}`;
  }
  return undefined;
}

function ruleBrokenBy(segment: string): string | undefined {
  // A colon would open a stream of the file that is named before it.
  const [forbidden] = FORBIDDEN.exec(segment) ?? [];
  if (forbidden !== undefined) {
    return `holds ${forbidden}, which Windows has in no name; replace it`;
  }
  if (/[. ]$/.test(segment)) {
    return 'ends with a dot or a space, which Windows leaves off; put another character there';
  }
  if (DEVICE.test(segment)) return 'is a device on Windows; choose another name';
  if (SHORT_NAME.test(segment)) {
    return 'looks like a short name, by which Windows may open another file; replace the ~';
  }
  return undefined;
}
