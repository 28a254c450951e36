import { AuditError } from '../../errors.js'

/** A prefix of a bucket, as `s3://bucket/prefix` names it. */
export interface S3Place {
  /** Without a slash at its end. */
  readonly place: string
  readonly bucket: string
  /** With a slash at its end, or empty. */
  readonly prefix: string
}

const SCHEME = 's3://'
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
/** What needs no escaping anywhere. Source: the "safe characters" of object keys in the S3 user guide, without brackets and quotes. */
const PART = /^[A-Za-z0-9_-][A-Za-z0-9_.=-]*$/
const LONGEST_PREFIX = 512

export function isS3Place(place: string): boolean {
  return place.startsWith(SCHEME)
}

/** @throws AuditError `AUDIT_INVALID_OPTION` */
export function parseS3Place(text: string): S3Place {
  const [bucket = '', ...parts] = text.slice(SCHEME.length).replace(/\/+$/, '').split('/')
  if (!isS3Place(text) || !BUCKET.test(bucket)) {
    throw invalid(text, 'the name of a bucket has 3 to 63 lower-case letters, digits, dots and hyphens')
  }
  if (parts.join('/').length > LONGEST_PREFIX || !parts.every((part) => PART.test(part))) {
    throw invalid(
      text,
      'a prefix is names of letters, digits, `_`, `-`, `.` and `=`, with one slash between them',
    )
  }
  const prefix = parts.map((part) => `${part}/`).join('')
  return { place: `${SCHEME}${[bucket, ...parts].join('/')}`, bucket, prefix }
}

function invalid(text: string, why: string): AuditError {
  return new AuditError('AUDIT_INVALID_OPTION', `${text} is not a place for archives: ${why}`, {
    field: 'to',
  })
}
