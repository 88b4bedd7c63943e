/**
 * The operations this server implements; anything else is a 501. Those of the
 * JSON API are called by Google's method ids, without `storage.`.
 */
export type GcsOperationName =
  | 'batch'
  | 'buckets.get'
  | 'buckets.insert'
  | 'buckets.list'
  | 'objects.compose'
  | 'objects.copy'
  | 'objects.delete'
  /** `objects.get` with `alt=media`. */
  | 'objects.download'
  | 'objects.get'
  /** Media and multipart uploads: everything in one request. */
  | 'objects.insert'
  | 'objects.list'
  | 'objects.move'
  | 'objects.patch'
  | 'objects.rewrite'
  | 'objects.update'
  /** Opens a resumable session, by the JSON or the XML API. */
  | 'resumable.start'
  /** A chunk, the last one included. */
  | 'resumable.upload'
  /** Asks a session how far it is. */
  | 'resumable.query'
  | 'resumable.cancel'
  | 'xml.delete'
  | 'xml.get'
  | 'xml.head'
  /** A browser form with its policy. */
  | 'xml.post'
  | 'xml.put'
  /** An access token for a signed JWT. */
  | 'auth.token'
  /** A federated token for a subject token: workload identity. */
  | 'auth.exchange'
  /** A service account's token for a federated one. */
  | 'auth.generateAccessToken'
  | 'auth.signBlob'
  /** The subject token a workload identity reads: a test's stand-in for its platform. */
  | 'auth.subjectToken'
  | 'metadata';
