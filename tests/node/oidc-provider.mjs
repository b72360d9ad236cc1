// A certified OpenID provider, written by nobody here: PKCE required, one confidential client, any login name.
// More of it is switched on by a JSON argument: `features` (names of its own, and tokenExchange), `clients`, and
// `kid`, the name of the key that it makes at its start.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import Provider from 'oidc-provider';

const { PORT, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI } = process.env;
const { features = [], clients = [], kid = 'k1' } = JSON.parse(process.argv[2] ?? '{}');
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

// What a feature has beyond being there: every proof of possession carries a nonce that the provider gave.
const settings = {
  // Tokens for a resource server of somebody else: JWTs (RFC 9068), or opaque ones where its address says so.
  resourceIndicators: {
    getResourceServerInfo: (ctx, resource) => ({
      scope: 'mcp tickets.read tickets.write', audience: resource, accessTokenTTL: 600,
      accessTokenFormat: resource.includes('opaque') ? 'opaque' : 'jwt',
    }),
  },
  dPoP: { nonceSecret: randomBytes(32), requireNonce: () => true },
};

const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' }] },
  clients: [{
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    redirect_uris: [REDIRECT_URI],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  }, ...clients],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  conformIdTokenClaims: false,
  findAccount: (ctx, sub) => ({
    accountId: sub,
    claims: () => ({ sub, email: `${sub}@example.com`, email_verified: true, name: `${sub} of the provider` }),
  }),
  pkce: { required: () => true },
  cookies: { keys: ['for tests'] },
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  features: {
    devInteractions: { enabled: true },
    ...Object.fromEntries(features
      .filter((name) => name !== 'tokenExchange')
      .map((name) => [name, { enabled: true, ...settings[name] }])),
  },
});

// The provider has no token exchange (RFC 8693). This is as much as shows that a client's request is the RFC's.
if (features.includes('tokenExchange')) {
  const parameters = ['subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'scope'];
  provider.registerGrantType(TOKEN_EXCHANGE, async (ctx) => {
    const { subject_token: token, subject_token_type: type, scope } = ctx.oidc.params;
    const subject = type === ACCESS_TOKEN ? await provider.AccessToken.find(token) : undefined;
    if (!subject) {
      ctx.status = 400;
      ctx.body = { error: 'invalid_request', error_description: 'subject_token is not an access token' };
      return;
    }
    const issued = new provider.AccessToken({
      client: ctx.oidc.client, accountId: subject.accountId, grantId: subject.grantId, gty: 'token_exchange', scope,
    });
    ctx.body = {
      access_token: await issued.save(),
      issued_token_type: ACCESS_TOKEN,
      token_type: 'Bearer',
      expires_in: issued.expiration,
      scope,
    };
  }, parameters);
}
provider.listen(Number(PORT), '127.0.0.1');
