/** An event as CloudTrail delivers it. */
export function aCloudTrailEvent(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    eventVersion: '1.11',
    userIdentity: {
      type: 'AssumedRole',
      arn: 'arn:aws:sts::111122223333:assumed-role/orders/i-1',
      accountId: '111122223333',
    },
    eventTime: '2026-11-29T10:00:03Z',
    eventSource: 'secretsmanager.amazonaws.com',
    eventName: 'GetSecretValue',
    awsRegion: 'eu-central-1',
    requestParameters: { secretId: 'orders-db' },
    responseElements: null,
    requestID: 'a7e3f3c0-0001',
    eventID: '5c5a1b7e-0001',
    eventType: 'AwsApiCall',
    ...changes,
  }
}

interface VaultLine {
  readonly type?: string
  readonly time?: string
  readonly id?: string
  readonly operation?: string
  readonly path?: string
  readonly mount?: string | undefined
  readonly mountType?: string | undefined
  readonly namespace?: string
  /** Of the response; the server writes hashes in place of the values. */
  readonly data?: Readonly<Record<string, unknown>> | undefined
  readonly auth?: object
  readonly wrap?: object
  readonly error?: string
}

/** A line as an audit device of OpenBao 2.7.2 writes it, with the keys that matter. */
export function aVaultLine(given: VaultLine = {}): Record<string, unknown> {
  const {
    type = 'response',
    id = '66ce0488-eac1',
    operation = 'read',
    path = 'secret/data/orders-db',
  } = given
  const { namespace, error, auth, wrap } = given
  const mount = 'mount' in given ? given.mount : 'secret/'
  const mountType = 'mountType' in given ? given.mountType : 'kv'
  const data =
    'data' in given ? given.data : { data: { password: 'hmac-sha256:6e1a7b' }, metadata: { version: 1 } }
  return {
    time: given.time ?? '2026-11-29T10:00:03.566375233Z',
    type,
    auth: { client_token: 'hmac-sha256:cbcf3e', display_name: 'kubernetes-orders', token_type: 'service' },
    request: {
      id,
      operation,
      mount_point: mount,
      mount_type: mountType,
      namespace: { id: 'root', ...(namespace !== undefined && { path: namespace }) },
      path,
      remote_address: '127.0.0.1',
    },
    ...(type === 'response' && {
      response: { mount_type: mountType, ...(data !== undefined && { data }), auth, wrap_info: wrap },
    }),
    ...(error !== undefined && { error }),
  }
}
