/** What is wrong with a browser form, in the words that S3 and the XML API of GCS have in common. */
type FormErrorCode =
  | 'AccessDenied'
  | 'InvalidArgument'
  | 'InvalidPolicyDocument'
  | 'MalformedPOSTRequest'
  | 'MaxPostPreDataLengthExceeded';

/** A form that is refused; each server answers it in its own shape. */
export class FormError extends Error {
  override readonly name = 'FormError';

  constructor(
    readonly code: FormErrorCode,
    message: string,
    readonly details: Readonly<Record<string, string | number>> = {},
  ) {
    super(message);
  }
}
