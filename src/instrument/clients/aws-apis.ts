import { Operation, Outcome } from '../../event/vocabulary.js'
import type { Reading } from '../access.js'
import type { Access, AccessAttributes, AccessRow } from '../open-access.js'
import type { InstrumentSettings } from '../settings.js'
import { awsOutcomeOf } from './aws-errors.js'
import { at, errorName, keysAt, known, listAt, textAt, textsAt } from './named.js'

/** Of the parameters of SSM: those that are secret, or each. */
export type SsmScope = InstrumentSettings['ssm']

/** One operation of an AWS service that reads or writes a secret, or uses a key. */
export interface AwsApi {
  readonly operation: Operation
  /** What it asks for; nothing for a call that cannot answer with a secret. */
  readonly asked: (input: unknown, scope: SsmScope) => readonly string[]
  readonly about?: (input: unknown) => AccessAttributes
  /** The rows of an answer. */
  readonly answered: (output: unknown, access: Access, scope: SsmScope) => readonly AccessRow[]
}

type Apis = Readonly<Record<string, AwsApi>>

const UNKNOWN = 'unknown'
const read = Operation.GetCredential
const oneOf = (input: unknown, key: string): readonly string[] => [textAt(input, key) ?? UNKNOWN]

const only = (attributes: AccessAttributes): readonly AccessRow[] => [{ outcome: Outcome.Ok, attributes }]

const secretOf = (from: unknown): AccessAttributes => ({
  arn: textAt(from, 'ARN'),
  version: textAt(from, 'VersionId'),
  stage: textsAt(from, 'VersionStages').join(',') || undefined,
})

const write = (key: string): AwsApi => ({
  operation: Operation.WriteCredential,
  asked: (input) => oneOf(input, key),
  answered: (output) => only(secretOf(output)),
})

const SECRETS_MANAGER: Apis = {
  CreateSecret: write('Name'),
  PutSecretValue: write('SecretId'),
  UpdateSecret: write('SecretId'),
  RotateSecret: write('SecretId'),
  RestoreSecret: write('SecretId'),
  DeleteSecret: write('SecretId'),
  GetSecretValue: {
    operation: read,
    asked: (input) => oneOf(input, 'SecretId'),
    about: (input) => ({ version: textAt(input, 'VersionId'), stage: textAt(input, 'VersionStage') }),
    answered: (output) => only(secretOf(output)),
  },
  BatchGetSecretValue: {
    operation: read,
    asked(input) {
      const listed = textsAt(input, 'SecretIdList')
      return listed.length > 0 ? listed : ['*']
    },
    answered: (output) => [
      ...listAt(output, 'SecretValues').map((value) => ({
        credential: textAt(value, 'Name') ?? textAt(value, 'ARN') ?? UNKNOWN,
        outcome: Outcome.Ok,
        attributes: secretOf(value),
      })),
      ...listAt(output, 'Errors').map((error) => ({
        credential: textAt(error, 'SecretId') ?? UNKNOWN,
        outcome: awsOutcomeOf({ name: textAt(error, 'ErrorCode'), $metadata: { httpStatusCode: 400 } }),
        attributes: { 'error.type': textAt(error, 'ErrorCode') },
      })),
    ],
  },
}

/** Without decryption a secret parameter comes as ciphertext. */
const decrypts = (input: unknown, scope: SsmScope): boolean =>
  scope === 'all' || at(input, ['WithDecryption']) === true

const isSecret = (parameter: unknown, scope: SsmScope): boolean =>
  scope === 'all' || textAt(parameter, 'Type') === 'SecureString'

const parameterOf = (parameter: unknown): AccessAttributes => ({
  arn: textAt(parameter, 'ARN'),
  version: textAt(parameter, 'Version'),
  type: textAt(parameter, 'Type'),
})

const parameterParts = (output: unknown, scope: SsmScope): readonly AccessRow[] =>
  listAt(output, 'Parameters')
    .filter((parameter) => isSecret(parameter, scope))
    .map((parameter) => ({
      credential: textAt(parameter, 'Name') ?? UNKNOWN,
      outcome: Outcome.Ok,
      attributes: parameterOf(parameter),
    }))

const SSM: Apis = {
  PutParameter: {
    operation: Operation.WriteCredential,
    // A new version of a parameter that is there may leave its type out.
    asked: (input, scope) =>
      isSecret(input, scope) || at(input, ['Type']) === undefined ? oneOf(input, 'Name') : [],
    answered: (output) => only({ version: textAt(output, 'Version') }),
  },
  DeleteParameter: {
    operation: Operation.WriteCredential,
    asked: (input) => oneOf(input, 'Name'),
    answered: () => only({ type: UNKNOWN }),
  },
  DeleteParameters: {
    operation: Operation.WriteCredential,
    asked: (input) => textsAt(input, 'Names'),
    answered: (output) => [
      ...textsAt(output, 'DeletedParameters').map((credential) => ({
        credential,
        outcome: Outcome.Ok,
        attributes: { type: UNKNOWN },
      })),
      ...textsAt(output, 'InvalidParameters').map((credential) => ({
        credential,
        outcome: Outcome.CredentialNotFound,
        attributes: { type: UNKNOWN },
      })),
    ],
  },
  GetParameter: {
    operation: read,
    asked: (input, scope) => (decrypts(input, scope) ? oneOf(input, 'Name') : []),
    answered(output, _access, scope) {
      const parameter = at(output, ['Parameter'])
      return isSecret(parameter, scope) ? only(parameterOf(parameter)) : []
    },
  },
  GetParameters: {
    operation: read,
    asked: (input, scope) => (decrypts(input, scope) ? textsAt(input, 'Names') : []),
    answered: (output, _access, scope) => [
      ...parameterParts(output, scope),
      ...textsAt(output, 'InvalidParameters').map((credential) => ({
        credential,
        outcome: Outcome.CredentialNotFound,
        attributes: { type: UNKNOWN },
      })),
    ],
  },
  GetParametersByPath: {
    operation: read,
    asked: (input, scope) =>
      decrypts(input, scope) ? [`${(textAt(input, 'Path') ?? '').replace(/\/+$/, '')}/*`] : [],
    answered: (output, _access, scope) => parameterParts(output, scope),
  },
  // One secret in several versions, each with its value.
  GetParameterHistory: {
    operation: read,
    asked: (input, scope) => (decrypts(input, scope) ? oneOf(input, 'Name') : []),
    answered(output, _access, scope) {
      const versions = listAt(output, 'Parameters').filter((version) => isSecret(version, scope))
      if (versions.length === 0) return []
      const numbers = versions.flatMap((version) => textAt(version, 'Version') ?? [])
      return only({ versions: numbers.join(','), type: textAt(versions[0], 'Type') })
    },
  },
}

const KEY_ALGORITHMS = [
  'EncryptionAlgorithm',
  'SigningAlgorithm',
  'MacAlgorithm',
  'KeyAgreementAlgorithm',
  'KeySpec',
  'KeyPairSpec',
]

const algorithmOf = (from: unknown): string | undefined =>
  KEY_ALGORITHMS.map((key) => textAt(from, key)).find((name) => name !== undefined)

const keyApi: AwsApi = {
  operation: Operation.UseKey,
  asked: (input) => oneOf(input, 'KeyId'),
  about: (input) => ({
    algorithm: algorithmOf(input),
    context_keys: keysAt(input, 'EncryptionContext').join(',') || undefined,
  }),
  answered(output, access) {
    const arn = textAt(output, 'KeyId')
    const credential = access.credential === UNKNOWN ? arn : undefined
    return [{ credential, outcome: Outcome.Ok, attributes: { arn, algorithm: algorithmOf(output) } }]
  },
}

/** Those whose answer has plain data, a key, or what only the holder of the key can make. */
const KMS: Apis = {
  Decrypt: keyApi,
  GenerateDataKey: keyApi,
  GenerateDataKeyPair: keyApi,
  Sign: keyApi,
  GenerateMac: keyApi,
  DeriveSharedSecret: keyApi,
}

const roleApi: AwsApi = {
  operation: Operation.AssumeIdentity,
  asked: (input) => oneOf(input, 'RoleArn'),
  answered: (output) => only({ arn: textAt(output, 'AssumedRoleUser', 'Arn') }),
}

const STS: Apis = {
  AssumeRole: roleApi,
  AssumeRoleWithSAML: roleApi,
  AssumeRoleWithWebIdentity: roleApi,
  AssumeRoot: { ...roleApi, asked: (input) => oneOf(input, 'TargetPrincipal') },
  GetFederationToken: {
    operation: Operation.AssumeIdentity,
    asked: (input) => oneOf(input, 'Name'),
    answered: (output) => only({ arn: textAt(output, 'FederatedUser', 'Arn') }),
  },
  GetSessionToken: {
    operation: Operation.AssumeIdentity,
    asked: () => ['session'],
    answered: () => only({}),
  },
}

/** Whether such accesses are recorded: those that put or delete a secret only where that is wanted. */
export const isWanted = ({ operation }: AwsApi, { writes }: InstrumentSettings): boolean =>
  writes || operation !== Operation.WriteCredential

/** By the name of the client's class, and that of the command without `Command`. */
export const AWS_APIS = {
  SecretsManagerClient: SECRETS_MANAGER,
  SSMClient: SSM,
  KMSClient: KMS,
  STSClient: STS,
} as const

/** What a call asks for; `undefined` when it cannot answer with a secret. */
export function awsAccess(
  name: string,
  api: AwsApi,
  input: unknown,
  scope: SsmScope,
  serverRegion: string | undefined,
): Access | undefined {
  const [credential, ...more] = api.asked(input, scope)
  if (credential === undefined) return undefined
  const batch = more.length > 0 ? [credential, ...more] : undefined
  const { operation } = api
  return {
    provider: 'aws',
    api: name,
    operation,
    credential,
    batch,
    serverRegion,
    attributes: api.about?.(input),
  }
}

export const awsReading = (api: AwsApi, scope: SsmScope): Reading<unknown> => ({
  rows(output, access) {
    const head = headOf(output)
    const rows = api.answered(output, access, scope)
    const batch = rows.length > 1 ? head['request_id'] : undefined
    return rows.map((row) => ({ ...row, attributes: known({ ...row.attributes, ...head, batch }) }))
  },
  failure: (error) => ({
    outcome: awsOutcomeOf(error),
    attributes: known({ ...headOf(error), 'error.type': errorName(error) }),
  }),
})

/** What answer and error have in common. */
function headOf(from: unknown): AccessAttributes {
  const attempts = at(from, ['$metadata', 'attempts'])
  return {
    request_id: textAt(from, '$metadata', 'requestId'),
    attempts: typeof attempts === 'number' ? attempts : undefined,
  }
}
