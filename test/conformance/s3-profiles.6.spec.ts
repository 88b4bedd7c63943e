import { describeProfiles } from './s3-profiles.js';

describeProfiles(6);
