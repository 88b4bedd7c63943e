import { describeFaults } from './matrix.js';

describeFaults('s3');
