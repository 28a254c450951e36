// Reads a secret by the clients of secret managers that have no hook; it has not one line about audit.
import awsLite from '@aws-lite/client'
import { DopplerSDK } from '@dopplerhq/node-sdk'
import { InfisicalSDK } from '@infisical/sdk'
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node'
import { Client as LitehexVault } from '@litehex/node-vault'
import { OnePasswordConnect } from '@1password/connect'
import AWS from 'aws-sdk'
import HashiVault from 'hashi-vault-js'
import { serve } from './serving.mjs'

const {
  MANAGERS_URL = '',
  VAULT_ADDR = '',
  VAULT_TOKEN = '',
  AWS_ENDPOINT_URL = '',
  AWS_REGION = '',
} = process.env
const credentials = {
  accessKeyId: process.env.AWS_ACCESS_KEY_ID,
  secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY,
}
/** As 1Password makes them. */
const id = (name) => name.replaceAll(/\W/g, '').padEnd(26, 'x')

serve({
  async kubernetes(name) {
    const config = new KubeConfig()
    config.loadFromOptions({
      clusters: [{ name: 'c', server: MANAGERS_URL, skipTLSVerify: true }],
      users: [{ name: 'u', token: 'of-the-pod' }],
      contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
      currentContext: 'x',
    })
    const api = config.makeApiClient(CoreV1Api)
    const { data } = await api.readNamespacedSecret({ name, namespace: 'orders' })
    return Buffer.from(data.password, 'base64').toString()
  },
  async infisical(name) {
    const client = new InfisicalSDK({ siteUrl: MANAGERS_URL }).auth().accessToken('of-the-workload')
    const asked = { projectId: 'orders', environment: 'prod', secretName: name }
    return (await client.secrets().getSecret(asked)).secretValue
  },
  async connect(name) {
    const client = OnePasswordConnect({ serverURL: MANAGERS_URL, token: 'of-the-workload' })
    return (await client.getItemById(id('vault'), id(name))).fields[0].value
  },
  async doppler(name) {
    const client = new DopplerSDK({ accessToken: 'of-the-workload' })
    client.setBaseUrl(MANAGERS_URL)
    return (await client.secrets.get('orders', 'prod', name)).value.computed
  },
  async 'hashi-vault-js'(name) {
    const client = new HashiVault({ https: false, baseUrl: `${VAULT_ADDR}/v1` })
    return (await client.readKVSecret(VAULT_TOKEN, name, undefined, 'secret')).data.password
  },
  async litehex(name) {
    const client = new LitehexVault({ endpoint: VAULT_ADDR, token: VAULT_TOKEN })
    const answer = await client.kv2.read({ mountPath: 'secret', path: name })
    if (answer.error !== undefined) throw answer.error
    return (answer.data ?? answer).data.data.password
  },
  async 'aws-sdk'(name) {
    const client = new AWS.SecretsManager({ endpoint: AWS_ENDPOINT_URL, region: AWS_REGION, credentials })
    return (await client.getSecretValue({ SecretId: name }).promise()).SecretString
  },
  async 'aws-lite'(name) {
    const plugins = [import('@aws-lite/ssm')]
    const client = await awsLite({ ...credentials, region: AWS_REGION, endpoint: AWS_ENDPOINT_URL, plugins })
    const Name = name === 'orders-db' ? '/orders/db' : name
    return (await client.SSM.GetParameter({ Name, WithDecryption: true })).Parameter.Value
  },
})
