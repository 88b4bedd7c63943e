import { assertOptions } from '../core/arguments.js';
import { StorageInvalidArgumentError } from '../core/errors.js';
import { assertCount } from '../core/units.js';
import { imageDimensions } from './image-dimensions.js';
import { imageRefused } from './upload.exceptions.js';

/** Limits for the dimensions of an image in pixels, each of them included. */
export interface ImageLimits {
  /** Width times height: what a decoder will have to hold. */
  maxPixels?: number;
  /** Pixels. */
  maxWidth?: number;
  /** Pixels. */
  maxHeight?: number;
  /** Pixels. */
  minWidth?: number;
  /** Pixels. */
  minHeight?: number;
}

const LIMITS: Readonly<Record<keyof ImageLimits, true>> = {
  maxPixels: true,
  maxWidth: true,
  maxHeight: true,
  minWidth: true,
  minHeight: true,
};

/** @throws StorageInvalidArgumentError naming the limit */
export function parseImageLimits(limits: ImageLimits): ImageLimits {
  assertOptions(limits, 'image');
  for (const [name, limit] of Object.entries(limits)) {
    if (!Object.hasOwn(LIMITS, name)) {
      throw new StorageInvalidArgumentError(
        `There is no limit image.${name}; known are ${Object.keys(LIMITS).join(', ')}`,
      );
    }
    if (limit !== undefined) assertCount(limit as number, `image.${name}`, 1);
  }
  assertRoom('minWidth', limits.minWidth, 'maxWidth', limits.maxWidth);
  assertRoom('minHeight', limits.minHeight, 'maxHeight', limits.maxHeight);
  const { minWidth = 1, minHeight = 1 } = limits;
  assertRoom('minWidth × minHeight', minWidth * minHeight, 'maxPixels', limits.maxPixels);
  return limits;
}

/** @throws StorageInvalidArgumentError when no image can be within both limits */
function assertRoom(leastName: string, least = 1, mostName: string, most = Infinity): void {
  if (least <= most) return;
  throw new StorageInvalidArgumentError(
    `image.${leastName} must be no more than image.${mostName}: ${least} pixels are more than ${most}`,
  );
}

/**
 * Refuses an image that is larger or smaller than the limits, and one whose first bytes do not tell. Files of other
 * types pass.
 *
 * @throws UploadException
 */
export function assertImageWithin(
  limits: ImageLimits,
  { contentType, fieldname }: { contentType: string; fieldname: string },
  head: Uint8Array,
): void {
  if (!contentType.startsWith('image/')) return;
  const found = imageDimensions(contentType, head);
  if (!found) {
    throw imageRefused(
      'IMAGE_SIZE_UNKNOWN',
      'The dimensions of the image cannot be told',
      fieldname,
    );
  }
  const { width, height } = found;
  const { maxPixels = Infinity, maxWidth = Infinity, maxHeight = Infinity } = limits;
  const { minWidth = 0, minHeight = 0 } = limits;
  const size = `The image is ${width} × ${height} pixels`;
  if (width * height > maxPixels || width > maxWidth || height > maxHeight) {
    const most = described({ width: maxWidth, height: maxHeight, pixels: maxPixels });
    throw imageRefused('IMAGE_TOO_LARGE', `${size}; allowed is at most ${most}`, fieldname);
  }
  if (width < minWidth || height < minHeight) {
    const least = described({ width: minWidth, height: minHeight });
    throw imageRefused('IMAGE_TOO_SMALL', `${size}; needed is at least ${least}`, fieldname);
  }
}

function described(limits: Record<string, number>): string {
  return Object.entries(limits)
    .filter(([, limit]) => limit !== Infinity && limit !== 0)
    .map(([name, limit]) => (name === 'pixels' ? `${limit} pixels in all` : `${name} ${limit}`))
    .join(', ');
}
