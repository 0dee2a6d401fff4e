/** NMEA 0183 sentences: the fields of the common ones by name, all others by place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nmeaDecoder } from '../../src/sensor/decode-nmea.ts';
import { neverThrows, shown } from './decode-rig.ts';

const decoder = nmeaDecoder();

function one(sentence: string, name: string): string | undefined {
  const found = shown(decoder, sentence);
  assert.ok(typeof found === 'object', `${sentence}: ${JSON.stringify(found)}`);
  return found[name];
}

test('RMC: time and date in ISO form, position in signed degrees, the rest as it was sent', () => {
  assert.deepEqual(shown(decoder, '$GPRMC,143007.50,A,4807.0380,N,01131.0000,W,022.4,084.4,251126,003.1,W,A*6C'), {
    talker: 'string GP',
    type: 'string RMC',
    'RMC.time': 'string 14:30:07.50',
    'RMC.status': 'text A',
    'RMC.lat': 'number 48.1173000',
    'RMC.lon': 'number -11.5166667',
    'RMC.speed': 'number 022.4',
    'RMC.course': 'number 084.4',
    'RMC.date': 'string 2026-11-25',
    'RMC.variation': 'number -003.1',
    'RMC.mode': 'text A',
  });
});

test('empty fields are absent: a receiver without a fix', () => {
  assert.deepEqual(shown(decoder, '$GNRMC,,V,,,,,,,,,,N,V*37\r\n'), {
    talker: 'string GN',
    type: 'string RMC',
    'RMC.status': 'text V',
    'RMC.mode': 'text N',
    'RMC.navStatus': 'text V',
  });
  assert.deepEqual(shown(decoder, '$GPGGA,143007,,N,,E,0,00,,,M,,M,,'), {
    talker: 'string GP',
    type: 'string GGA',
    'GGA.time': 'string 14:30:07',
    'GGA.quality': 'number 0',
    'GGA.satellites': 'number 00',
  });
});

test('the other common sentences have their fields by name', () => {
  const cases: readonly (readonly [sentence: string, fields: Record<string, string>])[] = [
    [
      '$GPGGA,143007,4807.038,S,01131.000,E,2,08,0.9,545.4,M,46.9,M,3.2,0120',
      {
        'GGA.time': 'string 14:30:07',
        'GGA.lat': 'number -48.1173000',
        'GGA.lon': 'number 11.5166667',
        'GGA.quality': 'number 2',
        'GGA.satellites': 'number 08',
        'GGA.hdop': 'number 0.9',
        'GGA.altitude': 'number 545.4',
        'GGA.geoid': 'number 46.9',
        'GGA.correctionAge': 'number 3.2',
        'GGA.correctionStation': 'text 0120',
      },
    ],
    [
      '$GPGLL,0000.0000,N,18000.0000,W,235960,A,D',
      {
        'GLL.lat': 'number 0.0000000',
        'GLL.lon': 'number -180.0000000',
        'GLL.time': 'string 23:59:60',
        'GLL.status': 'text A',
        'GLL.mode': 'text D',
      },
    ],
    [
      '$GPVTG,054.7,T,034.4,M,005.5,N,010.2,K,A',
      {
        'VTG.course': 'number 054.7',
        'VTG.courseMagnetic': 'number 034.4',
        'VTG.speed': 'number 005.5',
        'VTG.speedKmh': 'number 010.2',
        'VTG.mode': 'text A',
      },
    ],
    [
      '$GNGSA,A,3,04,05,,09,12,,,24,,,,,2.5,1.3,2.1,1',
      {
        'GSA.mode': 'text A',
        'GSA.fix': 'number 3',
        'GSA.satellites': 'text 04 05 09 12 24',
        'GSA.pdop': 'number 2.5',
        'GSA.hdop': 'number 1.3',
        'GSA.vdop': 'number 2.1',
        'GSA.system': 'text 1',
      },
    ],
    [
      '$GPZDA,143007.00,25,11,2026,-03,30',
      {
        'ZDA.time': 'string 14:30:07.00',
        'ZDA.date': 'string 2026-11-25',
        'ZDA.zoneHours': 'text -03',
        'ZDA.zoneMinutes': 'text 30',
      },
    ],
    ['$HEHDT,123.456,T', { 'HDT.heading': 'number 123.456' }],
    ['$SDDBT,7.8,f,2.4,M,1.3,F', { 'DBT.feet': 'number 7.8', 'DBT.depth': 'number 2.4', 'DBT.fathoms': 'number 1.3' }],
    ['$SDDPT,2.4,-0.5,100', { 'DPT.depth': 'number 2.4', 'DPT.offset': 'number -0.5', 'DPT.range': 'number 100' }],
    ['$YXMTW,17.75,C', { 'MTW.temperature': 'number 17.75', 'MTW.temperature.unit': 'text C' }],
    [
      '$WIMWV,214.8,R,0.1,K,A',
      {
        'MWV.angle': 'number 214.8',
        'MWV.reference': 'text R',
        'MWV.speed': 'number 0.1',
        'MWV.speed.unit': 'text K',
        'MWV.status': 'text A',
      },
    ],
  ];
  for (const [sentence, fields] of cases) {
    const talkerAndType = { talker: `string ${sentence.slice(1, 3)}`, type: `string ${sentence.slice(3, 6)}` };
    assert.deepEqual(shown(decoder, sentence), { ...talkerAndType, ...fields }, sentence);
  }
});

test('any other sentence has its fields by place, a proprietary one by its whole address', () => {
  assert.deepEqual(shown(decoder, '!AIVDM,1,1,,A,13aG?P0P00PD;88MD5MTDww@2<0L,0*1C'), {
    talker: 'string AI',
    type: 'string VDM',
    'VDM.1': 'text 1',
    'VDM.2': 'text 1',
    'VDM.4': 'text A',
    'VDM.5': 'text 13aG?P0P00PD;88MD5MTDww@2<0L',
    'VDM.6': 'text 0',
  });
  assert.deepEqual(shown(decoder, '$PGRME,15.0,M,45.0,M'), {
    talker: 'string P',
    type: 'string PGRME',
    'PGRME.1': 'text 15.0',
    'PGRME.2': 'text M',
    'PGRME.3': 'text 45.0',
    'PGRME.4': 'text M',
  });
  // Its own RMC is none of ours.
  assert.equal(one('$PRMC,x', 'PRMC.1'), 'text x');
  assert.deepEqual(shown(decoder, '$GPTXT'), { talker: 'string GP', type: 'string TXT' });
});

test('a position is rounded half to even at the seventh decimal, exactly', () => {
  // 0.0000006 of a minute is 1e-8 of a degree; 3e-6 of a minute half of the last decimal.
  for (const [minutes, degrees] of [
    ['0000.000003', '0.0000000'],
    ['0000.0000030001', '0.0000001'],
    ['0000.000009', '0.0000002'],
    ['0000.000015', '0.0000002'],
    ['0000.0000149999', '0.0000002'],
    ['0001.0', '0.0166667'],
    ['8959.999999999999', '90.0000000'],
    ['9000', '90.0000000'],
  ] as const) {
    assert.equal(one(`$GPGLL,${minutes},N,,,,`, 'GLL.lat'), `number ${degrees}`, minutes);
    assert.equal(one(`$GPGLL,,,0${minutes},W,,`, 'GLL.lon'), `number ${/[1-9]/.test(degrees) ? '-' : ''}${degrees}`);
  }
  const minute = fc.tuple(fc.nat(179), fc.nat(59), fc.nat(99_999));
  fc.assert(
    fc.property(minute, ([degrees, minutes, fraction]) => {
      const pad = (number: number, length: number): string => String(number).padStart(length, '0');
      const text = `${pad(degrees, 3)}${pad(minutes, 2)}.${pad(fraction, 5)}`;
      const found = Number(one(`$GPGLL,,,${text},E,,`, 'GLL.lon')?.slice('number '.length));
      assert.ok(Math.abs(found - (degrees + (minutes + fraction / 1e5) / 60)) <= 0.501e-7, text);
    }),
    { numRuns: 500 },
  );
});

test('a date is one of the calendar, of this century or of GPS time in the last', () => {
  assert.equal(one('$GPRMC,,,,,,,,,290224,,', 'RMC.date'), 'string 2024-02-29');
  assert.equal(one('$GPRMC,,,,,,,,,060180,,', 'RMC.date'), 'string 1980-01-06');
  assert.equal(one('$GPRMC,,,,,,,,,311279,,', 'RMC.date'), 'string 2079-12-31');
  assert.equal(one('$GPZDA,,5,3,2026,,', 'ZDA.date'), 'string 2026-03-05');
});

test('a field that is not what its sentence says makes it invalid', () => {
  for (const sentence of [
    '$GPRMC,,,,,,,,,290225,,',
    '$GPRMC,,,,,,,,,000000,,',
    '$GPRMC,,,,,,,,,2511,,',
    '$GPRMC,246000,,,,,,,,,,',
    '$GPRMC,1430,,,,,,,,,,',
    '$GPRMC,,,4807.038,,,,,,,,',
    '$GPRMC,,,4807.038,E,,,,,,,',
    '$GPRMC,,,4807.038,NS,,,,,,,',
    '$GPRMC,,,4860.000,N,,,,,,,',
    '$GPRMC,,,807.038,N,,,,,,,',
    '$GPRMC,,,9000.001,N,,,,,,,',
    '$GPRMC,,,,,18000.01,E,,,,,',
    '$GPRMC,,,-807.038,N,,,,,,,',
    '$GPRMC,,,,,,,1.2.3,,,,',
    '$GPRMC,,,,,,,nan,,,,',
    '$GPRMC,,,,,,,,,,3.1,',
    '$GPVTG,054.7,034.4,005.5,010.2',
    '$GPGGA,,,,,,,,,545.4,f,,,,',
    '$GPZDA,,31,4,2026,,',
    '$GPZDA,,,4,2026,,',
  ]) {
    assert.equal(shown(decoder, sentence), 'a field is not what its sentence says', sentence);
  }
});

test('what is no sentence is refused', () => {
  for (const sentence of [
    '',
    '$',
    'GPRMC,,',
    '$GP,1',
    '$gprmc,',
    '$GPRMC*4',
    '$GPRMC,1*4G',
    '$GPRMC,1*00x',
    '$GPRMC;1',
    '$GPGLL,1*2,3',
    '\\s:a*00\\$GPRMC,,',
    '$GPRMC,1$GPRMC,1',
    '$GPTXT,\u00e9',
    '$GPTXT,\u0007',
    '$GPTXT,a\nb',
    'x$GPTXT,a',
  ]) {
    assert.equal(shown(decoder, sentence), 'not an NMEA 0183 sentence', sentence);
  }
  assert.equal(shown(decoder, `$GPTXT,${'x'.repeat(250)}`), 'longer than 256 bytes');
  assert.ok(typeof shown(decoder, `$GPTXT,${','.repeat(249)}`) === 'object');
});

test('no bytes whatever make it throw', () => {
  neverThrows(decoder, Buffer.from('$GPRMC,143007.50,A,4807.0380,N,01131.0000,W,022.4,084.4,251126,003.1,W,A*6C'));
  const type = fc.constantFrom('RMC', 'GGA', 'GLL', 'VTG', 'GSA', 'ZDA', 'HDT', 'DBT', 'DPT', 'MTW', 'MWV');
  const value = fc.constantFrom(
    '',
    '1',
    '-1',
    '143007',
    '251126',
    '4807.038',
    '01131.0',
    'N',
    'E',
    'T',
    'M',
    '1e9',
    'x',
  );
  fc.assert(
    fc.property(type, fc.array(value, { maxLength: 20 }), (name, values) => {
      decoder(Buffer.from(`$GP${name},${values.join(',')}`));
    }),
    { numRuns: 3000 },
  );
});
