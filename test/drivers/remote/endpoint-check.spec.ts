import { StorageConfigurationError } from '../../../lib/core/errors.js';
import { openStorage } from '../../../lib/drivers/open-storage.js';
import { assertEndpoint } from '../../../lib/drivers/remote/endpoint-check.js';

describe('an endpoint', () => {
  test.each([
    'https://storage.example.com',
    'https://203.0.113.7:9000',
    'http://localhost:9000',
    'http://127.0.0.1:9000',
    'http://[::1]:9000',
    'http://10.1.2.3',
    'http://172.31.0.1',
    'http://192.168.1.1',
    'http://[::ffff:192.168.1.1]',
    'http://[fd12:3456::1]',
    'http://minio:9000',
    'http://minio.default.svc:9000',
    'http://minio.default.svc.cluster.local',
    'http://host.docker.internal:9000',
    'http://bucket.localhost:9000',
    'http://nas.local',
    'http://minio.test',
    'http://nas.home.arpa',
  ])('may be %s', (endpoint) => {
    expect(assertEndpoint('endpoint', endpoint).href).toContain('://');
  });

  test.each([
    'http://storage.example.com',
    'http://203.0.113.7:9000',
    'http://172.32.0.1',
    'http://[2001:db8::1]',
    'http://localhost.example.com',
    'http://10.0.0.1.example.com',
  ])('is %s only where that is allowed', (endpoint) => {
    const check = (): URL => assertEndpoint('endpoint', endpoint);
    expect(check).toThrow(StorageConfigurationError);
    expect(check).toThrow('allowInsecureEndpoint');
    expect(assertEndpoint('endpoint', endpoint, true).protocol).toBe('http:');
  });

  test.each([
    'http://169.254.169.254',
    'https://169.254.170.2',
    'http://[fd00:ec2::254]',
    'http://[fe80::1]',
    'http://168.63.129.16',
    'http://100.100.100.200',
    'https://metadata.google.internal',
    'http://[::ffff:a9fe:a9fe]',
    'http://0251.0376.0251.0376',
  ])('is never %s', (endpoint) => {
    expect(() => assertEndpoint('endpoint', endpoint, true)).toThrow('metadata');
  });

  test.each([
    ['azure', { accountUrl: 'http://169.254.169.254/account', sasToken: 'sig=a' }, 'metadata'],
    ['azure', { accountUrl: 'http://account.example.com', sasToken: 'sig=a' }, 'allowInsecure'],
    [
      'azure',
      {
        connectionString:
          'BlobEndpoint=http://168.63.129.16/account;SharedAccessSignature=sv=1&sig=a',
      },
      'metadata',
    ],
    [
      'azure',
      {
        connectionString:
          'DefaultEndpointsProtocol=http;AccountName=a;AccountKey=YWJj;EndpointSuffix=core.windows.net',
      },
      'allowInsecure',
    ],
    ['s3', { endpoint: 'http://s3.example.com' }, 'allowInsecure'],
    ['gcs', { apiEndpoint: 'http://gcs.example.com' }, 'allowInsecure'],
  ])('is checked by the driver: %s, %j', async (driver, options, message) => {
    const place = driver === 'azure' ? { container: 'files' } : { bucket: 'files' };
    const open = (more: object) =>
      openStorage('files', { driver, ...place, ...options, ...more } as never);
    await expect(open({})).rejects.toThrow(message);
  });

  test('is checked by each driver unless that is allowed', async () => {
    const insecure = { allowInsecureEndpoint: true } as const;
    const storages = [
      await openStorage('s3', {
        driver: 's3',
        bucket: 'files',
        region: 'us-east-1',
        endpoint: 'http://s3.example.com',
        ...insecure,
      }),
      await openStorage('gcs', {
        driver: 'gcs',
        bucket: 'files',
        apiEndpoint: 'http://gcs.example.com',
        ...insecure,
      }),
      await openStorage('azure', {
        driver: 'azure',
        container: 'files',
        connectionString:
          'DefaultEndpointsProtocol=http;AccountName=a;AccountKey=YWJj;EndpointSuffix=core.windows.net',
        ...insecure,
      }),
    ];
    expect(storages.map(({ driver }) => driver)).toEqual(['s3', 'gcs', 'azure']);
    for (const storage of storages) await storage.close();
  });
});
