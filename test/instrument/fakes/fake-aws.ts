import { type FakeAnswer, type FakeRequest, FakeServer } from './fake-server.js'

const REGION = 'eu-central-1'
const ACCOUNT = '111122223333'

/** How the fake answers for a secret, parameter or key of that name; others are there. */
const FAILING: Readonly<Record<string, readonly (readonly [number, string] | undefined)[]>> = {
  denied: [[400, 'AccessDeniedException']],
  throttled: [[400, 'ThrottlingException']],
  invalid: [[400, 'ValidationException']],
  broken: [[500, 'InternalServiceError']],
  deleted: [[400, 'InvalidRequestException']],
  disabled: [[400, 'DisabledException']],
  garbled: [[400, 'InvalidCiphertextException']],
  // Twice a failure of the server, then an answer.
  flaky: [[500, 'InternalServiceError'], [500, 'InternalServiceError'], undefined],
}

const NOT_FOUND = {
  secretsmanager: 'ResourceNotFoundException',
  AmazonSSM: 'ParameterNotFound',
  TrentService: 'NotFoundException',
}

/** Secrets Manager, SSM and KMS in one, by the protocol `awsJson1_1`; and the session token of STS. Every secret has the value that it was started with. */
export class FakeAws {
  readonly server: FakeServer
  readonly #attempts: Map<string, number>

  static async start(value: string): Promise<FakeAws> {
    const attempts = new Map<string, number>()
    const server = await FakeServer.start((request) => answer(request, value, attempts))
    return new FakeAws(server, attempts)
  }

  private constructor(server: FakeServer, attempts: Map<string, number>) {
    this.server = server
    this.#attempts = attempts
  }

  /** For the constructor of a client. */
  get config(): {
    region: string
    endpoint: string
    credentials: { accessKeyId: string; secretAccessKey: string }
  } {
    const credentials = { accessKeyId: 'AKIAFAKE', secretAccessKey: 'fake' }
    return { region: REGION, endpoint: this.server.url, credentials }
  }

  /** Requests for a secret, parameter or key since the last time it was asked. */
  requestsFor(name: string): number {
    const count = this.#attempts.get(name) ?? 0
    this.#attempts.delete(name)
    return count
  }

  close(): Promise<void> {
    return this.server.close()
  }
}

interface Input {
  readonly SecretId?: string
  readonly SecretIdList?: readonly string[]
  readonly Name?: string
  readonly Names?: readonly string[]
  readonly Path?: string
  readonly NextToken?: string
  readonly KeyId?: string
  readonly SigningAlgorithm?: string
  readonly MacAlgorithm?: string
}

function answer(request: FakeRequest, value: string, attempts: Map<string, number>): FakeAnswer | undefined {
  if (request.headers['x-amz-target'] === undefined) return sessionToken(value)
  const [service = '', api = ''] = String(request.headers['x-amz-target']).split('.')
  const input = JSON.parse(request.body) as Input
  const name = input.SecretId ?? input.Name ?? input.KeyId ?? 'unnamed'
  const attempt = attempts.get(name) ?? 0
  attempts.set(name, attempt + 1)
  if (name === 'silent') return undefined
  const script = FAILING[name]
  const failure =
    name === 'missing'
      ? ([400, NOT_FOUND[service as keyof typeof NOT_FOUND]] as const)
      : script?.[Math.min(attempt, script.length - 1)]
  const headers = {
    'content-type': 'application/x-amz-json-1.1',
    'x-amzn-requestid': `request-${attempts.size}-${attempt}`,
  }
  if (failure !== undefined) {
    const [status, type] = failure
    // A provider may quote anything in a message.
    return { status, headers, body: { __type: type, message: `no: ${value}` } }
  }
  const make = APIS[`${service.split('_')[0]}.${api}`]
  if (make === undefined) return { status: 400, headers, body: { __type: 'UnknownOperationException' } }
  return { status: 200, headers, body: make(input, value) }
}

const sessionToken = (value: string): FakeAnswer => ({
  status: 200,
  headers: { 'content-type': 'text/xml' },
  body:
    '<GetSessionTokenResponse><GetSessionTokenResult><Credentials><AccessKeyId>ASIA</AccessKeyId>' +
    `<SecretAccessKey>${value}</SecretAccessKey><SessionToken>t</SessionToken>` +
    '<Expiration>2030-01-01T00:00:00Z</Expiration></Credentials></GetSessionTokenResult>' +
    '<ResponseMetadata><RequestId>sts-1</RequestId></ResponseMetadata></GetSessionTokenResponse>',
})

const arn = (service: string, resource: string): string =>
  `arn:aws:${service}:${REGION}:${ACCOUNT}:${resource}`

const secret = (name: string, value: string): object => ({
  ARN: arn('secretsmanager', `secret:${name}-AbCdEf`),
  Name: name,
  SecretString: value,
  VersionId: 'version-of-the-secret-is-a-uuid-4',
  VersionStages: ['AWSCURRENT'],
})

/** Those whose name ends with `-plain` are not secret. */
const parameter = (name: string, value: string, version = 3): object => ({
  ARN: arn('ssm', `parameter/${name}`),
  Name: name,
  Type: name.endsWith('-plain') ? 'String' : 'SecureString',
  Value: value,
  Version: version,
})

const key = (input: Input): string => arn('kms', `key/${input.KeyId ?? 'of-the-ciphertext'}`)
const base64 = (value: string): string => Buffer.from(value).toString('base64')

const APIS: Readonly<Record<string, (input: Input, value: string) => object>> = {
  'secretsmanager.GetSecretValue': (input, value) => secret(input.SecretId ?? '', value),
  'secretsmanager.BatchGetSecretValue': (input, value) => {
    const names = input.SecretIdList ?? ['by-filter-1', 'by-filter-2']
    const isThere = (name: string): boolean => !/missing|denied/.test(name)
    return {
      SecretValues: names.filter(isThere).map((name) => secret(name, value)),
      Errors: names
        .filter((name) => !isThere(name))
        .map((name) => ({
          SecretId: name,
          ErrorCode: /denied/.test(name) ? 'AccessDeniedException' : 'ResourceNotFoundException',
          Message: value,
        })),
    }
  },
  'AmazonSSM.GetParameter': (input, value) => ({ Parameter: parameter(input.Name ?? '', value) }),
  'AmazonSSM.GetParameters': (input, value) => {
    const names = input.Names ?? []
    return {
      Parameters: names.filter((name) => !/missing/.test(name)).map((name) => parameter(name, value)),
      InvalidParameters: names.filter((name) => /missing/.test(name)),
    }
  },
  'secretsmanager.PutSecretValue': (input) => ({ ARN: 'arn', Name: input.SecretId, VersionId: 'v' }),
  'AmazonSSM.PutParameter': () => ({ Version: 4 }),
  'AmazonSSM.DeleteParameters': ({ Names = [] }) => ({
    DeletedParameters: Names.filter((name) => !/missing/.test(name)),
    InvalidParameters: Names.filter((name) => /missing/.test(name)),
  }),
  // Two pages.
  'AmazonSSM.GetParametersByPath': (input, value) => {
    const path = input.Path ?? ''
    return input.NextToken === undefined
      ? { Parameters: [parameter(`${path}/a`, value), parameter(`${path}/b-plain`, value)], NextToken: 'two' }
      : { Parameters: [parameter(`${path}/c`, value)] }
  },
  'AmazonSSM.GetParameterHistory': (input, value) => ({
    Parameters: [1, 2, 3].map((version) => parameter(input.Name ?? '', value, version)),
  }),
  'TrentService.Encrypt': (input) => ({ KeyId: key(input), CiphertextBlob: base64('sealed') }),
  'TrentService.Decrypt': (input, value) => ({
    KeyId: key(input),
    Plaintext: base64(value),
    EncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
  }),
  'TrentService.GenerateDataKey': (input, value) => ({
    KeyId: key(input),
    Plaintext: base64(value),
    CiphertextBlob: base64('sealed'),
  }),
  'TrentService.Sign': (input, value) => ({
    KeyId: key(input),
    Signature: base64(value),
    SigningAlgorithm: input.SigningAlgorithm,
  }),
  'TrentService.GenerateMac': (input, value) => ({
    KeyId: key(input),
    Mac: base64(value),
    MacAlgorithm: input.MacAlgorithm,
  }),
}
