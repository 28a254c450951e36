import type { OptionSpec } from './option-spec.js'

/** How archives in object storage are reached: `s3://…`. The variables are those of every tool for S3. */
export const OBJECT_STORAGE_OPTIONS = Object.freeze({
  accessKeyId: {
    kind: 'text',
    variables: ['AWS_ACCESS_KEY_ID'],
    default: undefined,
    doc: 'Access key. Profiles, and roles of machines and containers, are not looked for: `aws configure export-credentials --format env` prints their keys as variables.',
  },
  secretAccessKey: {
    kind: 'text',
    secret: true,
    variables: ['AWS_SECRET_ACCESS_KEY'],
    default: undefined,
    doc: 'Its secret.',
  },
  sessionToken: {
    kind: 'text',
    secret: true,
    variables: ['AWS_SESSION_TOKEN'],
    default: undefined,
    doc: 'Of temporary credentials.',
  },
  region: {
    kind: 'text',
    variables: ['AWS_REGION', 'AWS_DEFAULT_REGION'],
    default: undefined,
    doc: 'Region of the bucket. Default with an endpoint: `us-east-1`.',
  },
  endpoint: {
    kind: 'text',
    variables: ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'],
    default: undefined,
    doc: 'URL of a store that is not AWS. It is asked with the bucket in the path.',
  },
} satisfies Record<string, OptionSpec>)

/** What is left out comes from the environment. */
export interface ObjectStorageOptionsGiven {
  readonly accessKeyId?: string | undefined
  readonly secretAccessKey?: string | undefined
  readonly sessionToken?: string | undefined
  readonly region?: string | undefined
  readonly endpoint?: string | undefined
}

export type ObjectStorageSettings = Readonly<ObjectStorageOptionsGiven>
