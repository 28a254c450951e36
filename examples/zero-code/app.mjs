// A service as its users write it: Express, the AWS SDK, node-vault and fetch. It has not one line about audit.
//   npm install express @aws-sdk/client-secrets-manager node-vault
//   npm install otel-audit @opentelemetry/api @opentelemetry/sdk-node @opentelemetry/auto-instrumentations-node
//   node --import otel-audit/register app.mjs
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import express from 'express'
import nodeVault from 'node-vault'

// All three are configured by the environment: AWS_REGION and credentials; VAULT_ADDR and VAULT_TOKEN.
const secretsManager = new SecretsManagerClient()
const vault = nodeVault()

const app = express()

app.get('/orders', async (_request, response) => {
  const { SecretString } = await secretsManager.send(new GetSecretValueCommand({ SecretId: 'orders-db' }))
  response.json({ connected: SecretString.length > 0 })
})

app.get('/payments', async (_request, response) => {
  const { data } = await vault.read('secret/data/payments')
  response.json({ connected: data.data.password.length > 0 })
})

app.get('/mail', async (_request, response) => {
  const headers = { 'x-vault-token': process.env.VAULT_TOKEN }
  const answer = await fetch(`${process.env.VAULT_ADDR}/v1/secret/data/mail`, { headers })
  const { data } = await answer.json()
  response.json({ connected: data.data.password.length > 0 })
})

// A secret that is withheld is an error like any other; its code says why, below `fetch` that of its cause.
app.use((error, _request, response, _next) => {
  response.status(503).json({ name: error.name, code: error.code ?? error.cause?.code })
})

const server = app.listen(Number(process.env.PORT ?? 8080), () => {
  console.log(`listening ${server.address().port}`)
})
process.once('SIGTERM', () => server.close())
