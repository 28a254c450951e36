import { AuditError } from '../../errors.js'
import { archiveError } from '../archive-store.js'
import { textOf } from './s3-xml.js'

/** What a store answered in place of doing it. */
export interface Refusal {
  readonly status: number
  readonly headers: Headers
  /** XML; empty for HEAD. */
  readonly body: string
  /** `s3://…` of what was asked for. */
  readonly what: string
  /** The permission of IAM that the request needs. */
  readonly needs: string
}

/** Of the store, not of the request: it is asked again. BadDigest and its like: what arrived is not what was sent. */
const PASSING: ReadonlySet<string> = new Set([
  'SlowDown',
  'InternalError',
  'ServiceUnavailable',
  'RequestTimeout',
  'OperationAborted',
  'BadDigest',
  'XAmzContentSHA256Mismatch',
])

export function codeOf({ body }: Pick<Refusal, 'body'>): string | undefined {
  return textOf(body, 'Code')
}

/** It may be carried out when it is asked for again. 501 says that the store does not know the request. */
export function isPassing(refusal: Pick<Refusal, 'status' | 'body'>): boolean {
  const { status } = refusal
  return (status >= 500 && status !== 501) || status === 429 || PASSING.has(codeOf(refusal) ?? '')
}

const KEYS = 'AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN'

/** Remedies by the code of S3. Source: "Error responses" of the Amazon S3 API reference. */
const REMEDIES: Readonly<Record<string, string>> = {
  NoSuchBucket:
    'Make the bucket, or correct its name. For files that nobody can delete, make it with Object Lock.',
  NoSuchKey: 'It was deleted, or the place is another one.',
  InvalidAccessKeyId: `Look at ${KEYS}: the store does not know this access key.`,
  SignatureDoesNotMatch: `Look at ${KEYS}: the secret is not the one of the access key. A proxy that changes requests has the same effect.`,
  ExpiredToken: `The session is over: set ${KEYS} anew (aws configure export-credentials --format env).`,
  InvalidToken: `Look at ${KEYS}: the session token does not belong to them.`,
  RequestTimeTooSkewed:
    'Set the clock of this machine: it differs from that of the store by more than 15 minutes.',
  ObjectLockConfigurationNotFoundError: 'Make the bucket with Object Lock, or leave --object-lock out.',
  PreconditionFailed: 'Another run may be writing to the same place. What is there is never overwritten.',
}

/** @returns an error that says what to do */
export function refusalError(refusal: Refusal): AuditError {
  const { status, headers, what, needs } = refusal
  const code = codeOf(refusal)
  const region = headers.get('x-amz-bucket-region') ?? textOf(refusal.body, 'Region')
  const said = `${what}: the store answered ${status}${code === undefined ? '' : ` ${code}`}`
  const fail = (problem: string, remedy?: string): AuditError => archiveError(problem, undefined, remedy)
  if (status === 301 || status === 307 || code === 'AuthorizationHeaderMalformed') {
    const where = region === undefined ? 'another region or endpoint' : `the region ${region}`
    return fail(
      `${said}: the bucket is in ${where}`,
      region === undefined ? 'Set AWS_REGION to the region of the bucket.' : `Set AWS_REGION to ${region}.`,
    )
  }
  if (code !== undefined && Object.hasOwn(REMEDIES, code)) return fail(said, REMEDIES[code])
  if (code === 'InvalidRequest' && /object lock/i.test(textOf(refusal.body, 'Message') ?? '')) {
    return fail(`${said}: the bucket has no Object Lock`, REMEDIES['ObjectLockConfigurationNotFoundError'])
  }
  if (status === 403) {
    return fail(
      said,
      `The credentials need ${needs} there. A bucket policy, or a clock that is wrong, refuses in the same way.`,
    )
  }
  if (status === 404) return fail(said, 'The bucket or the file is not there.')
  if (status === 412 || status === 409)
    return fail(`${said}: a file of that name is there already`, REMEDIES['PreconditionFailed'])
  if (status === 405 || status === 501) {
    return fail(
      said,
      `The store does not know this request (${needs}): docs/retention.md says what it has to have.`,
    )
  }
  return fail(
    said,
    isPassing(refusal)
      ? 'Run it again when the store answers. What is there and not proven yet is proven then.'
      : undefined,
  )
}
