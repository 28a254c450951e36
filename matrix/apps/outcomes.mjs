// Reads what is there and what is not, by real clients from real servers; it has not one line about audit.
import * as kms from '@aws-sdk/client-kms'
import * as secretsManager from '@aws-sdk/client-secrets-manager'
import * as ssm from '@aws-sdk/client-ssm'
import nodeVault from 'node-vault'

const once = { maxAttempts: 1 }
const secrets = new secretsManager.SecretsManagerClient(once)
const parameters = new ssm.SSMClient(once)
const keys = new kms.KMSClient(once)
const vault = nodeVault()
const secret = (SecretId, client = secrets) =>
  client.send(new secretsManager.GetSecretValueCommand({ SecretId }))
const WithDecryption = true
const ciphertext = await keys.send(
  new kms.EncryptCommand({ KeyId: process.env.KMS_KEY, Plaintext: Buffer.from(process.env.PLAINTEXT) }),
)
const sealed = await vault.write('transit/encrypt/orders', {
  plaintext: Buffer.from(process.env.PLAINTEXT).toString('base64'),
})

const steps = [
  () => secret('orders-db'),
  () => secret('no-such-secret'),
  () => secret('deleted'),
  () =>
    secret('orders-db', new secretsManager.SecretsManagerClient({ ...once, endpoint: 'http://127.0.0.1:9' })),
  () =>
    secrets.send(
      new secretsManager.BatchGetSecretValueCommand({ SecretIdList: ['orders-db', 'no-such-secret'] }),
    ),
  () => parameters.send(new ssm.GetParameterCommand({ Name: '/orders/none', WithDecryption })),
  () =>
    parameters.send(new ssm.GetParametersCommand({ Names: ['/orders/db', '/orders/none'], WithDecryption })),
  async () => {
    const pages = ssm.paginateGetParametersByPath(
      { client: parameters, pageSize: 1 },
      { Path: '/orders/db', WithDecryption },
    )
    for await (const page of pages) if (page.Parameters === undefined) return
  },
  () => parameters.send(new ssm.GetParameterHistoryCommand({ Name: '/orders/db', WithDecryption })),
  () => keys.send(new kms.DecryptCommand({ CiphertextBlob: ciphertext.CiphertextBlob })),
  () =>
    keys.send(new kms.DecryptCommand({ CiphertextBlob: Buffer.from('garbled'), KeyId: process.env.KMS_KEY })),
  () => keys.send(new kms.GenerateDataKeyCommand({ KeyId: process.env.KMS_KEY, KeySpec: 'AES_256' })),
  () => vault.read('secret/data/orders-db'),
  () => vault.read('kv1/orders-db'),
  () => vault.read('secret/data/none'),
  () => vault.read('secret/data/deleted'),
  () => nodeVault({ token: 'hvs.of-nobody' }).read('secret/data/orders-db'),
  () => nodeVault({ endpoint: 'http://127.0.0.1:9' }).read('secret/data/orders-db'),
  () => vault.write('transit/decrypt/orders', { ciphertext: sealed.data.ciphertext }),
  () => vault.write('transit/decrypt/orders', { ciphertext: 'vault:v1:garbled' }),
  () => vault.write('auth/token/create', { ttl: '1m' }),
  () => vault.approleLogin({ role_id: 'none', secret_id: 'none' }),
  () => vault.list('secret/metadata'),
  () => vault.health(),
]
for (const step of steps) await step().catch(() => undefined)
