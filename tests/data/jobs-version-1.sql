PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE job (
	id INTEGER NOT NULL, 
	account VARCHAR(12) NOT NULL, 
	region VARCHAR(32) NOT NULL, 
	name VARCHAR(63) NOT NULL, 
	arn VARCHAR(256) NOT NULL, 
	request JSON NOT NULL, 
	status VARCHAR(10) NOT NULL, 
	version INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	creation_time FLOAT NOT NULL, 
	last_modified_time FLOAT NOT NULL, 
	start_time FLOAT, 
	end_time FLOAT, 
	failure_reason TEXT, 
	artifact_uri TEXT, 
	artifact_digest VARCHAR(128), 
	derived_data_input_config TEXT, 
	lease_owner VARCHAR(128), 
	lease_until FLOAT, 
	inference_image VARCHAR(256), 
	PRIMARY KEY (id)
);
INSERT INTO "job" VALUES(1,'000000000000','us-east-1','done','arn:aws:sagemaker:us-east-1:000000000000:compilation-job/done','{"CompilationJobName": "done", "RoleArn": "arn:aws:iam::000000000000:role/tinsmith", "InputConfig": {"S3Uri": "s3://b/in/\u00e4.tar.gz", "Framework": "XGBOOST", "DataInputConfig": "{\"x\": [1, 3]}\n"}, "OutputConfig": {"S3OutputLocation": "s3://b/out/", "TargetDevice": "ml_c5"}, "StoppingCondition": {"MaxRuntimeInSeconds": 900}}','COMPLETED',3,1,1000.25,2010.0,2000.0,2010.0,NULL,'s3://b/out/x.tar.gz','abababababababababababababababababababababababababababababababababababababababababababababababababababababababababababababababab','{"x":[1,3]}',NULL,NULL,'x/image:1');
INSERT INTO "job" VALUES(2,'000000000000','us-east-1','failed','arn:aws:sagemaker:us-east-1:000000000000:compilation-job/failed','{"CompilationJobName": "failed", "RoleArn": "arn:aws:iam::000000000000:role/tinsmith", "InputConfig": {"S3Uri": "s3://b/in/\u00e4.tar.gz", "Framework": "XGBOOST", "DataInputConfig": "{\"x\": [1, 3]}\n"}, "OutputConfig": {"S3OutputLocation": "s3://b/out/", "TargetDevice": "ml_c5"}, "StoppingCondition": {"MaxRuntimeInSeconds": 900}}','FAILED',3,1,1001.25,2010.0,2000.0,2010.0,'ClientError: InputConfiguration: bad
model',NULL,NULL,NULL,NULL,NULL,'x/image:1');
INSERT INTO "job" VALUES(3,'000000000000','us-east-1','stopped','arn:aws:sagemaker:us-east-1:000000000000:compilation-job/stopped','{"CompilationJobName": "stopped", "RoleArn": "arn:aws:iam::000000000000:role/tinsmith", "InputConfig": {"S3Uri": "s3://b/in/\u00e4.tar.gz", "Framework": "XGBOOST", "DataInputConfig": "{\"x\": [1, 3]}\n"}, "OutputConfig": {"S3OutputLocation": "s3://b/out/", "TargetDevice": "ml_c5"}, "StoppingCondition": {"MaxRuntimeInSeconds": 900}}','STOPPED',4,1,1002.25,2006.0,2000.0,2006.0,NULL,NULL,NULL,NULL,NULL,NULL,'x/image:1');
INSERT INTO "job" VALUES(5,'000000000000','us-east-1','running','arn:aws:sagemaker:us-east-1:000000000000:compilation-job/running','{"CompilationJobName": "running", "RoleArn": "arn:aws:iam::000000000000:role/tinsmith", "InputConfig": {"S3Uri": "s3://b/in/\u00e4.tar.gz", "Framework": "XGBOOST", "DataInputConfig": "{\"x\": [1, 3]}\n"}, "OutputConfig": {"S3OutputLocation": "s3://b/out/", "TargetDevice": "ml_c5"}, "StoppingCondition": {"MaxRuntimeInSeconds": 900}}','INPROGRESS',2,1,1004.25,2000.0,2000.0,NULL,NULL,NULL,NULL,NULL,'worker-1',2030.5,'x/image:1');
INSERT INTO "job" VALUES(6,'000000000000','us-east-1','stopping','arn:aws:sagemaker:us-east-1:000000000000:compilation-job/stopping','{"CompilationJobName": "stopping", "RoleArn": "arn:aws:iam::000000000000:role/tinsmith", "InputConfig": {"S3Uri": "s3://b/in/\u00e4.tar.gz", "Framework": "XGBOOST", "DataInputConfig": "{\"x\": [1, 3]}\n"}, "OutputConfig": {"S3OutputLocation": "s3://b/out/", "TargetDevice": "ml_c5"}, "StoppingCondition": {"MaxRuntimeInSeconds": 900}}','STOPPING',3,1,1005.25,2007.5,2000.0,NULL,NULL,NULL,NULL,NULL,'worker-1',2030.5,'x/image:1');
INSERT INTO "job" VALUES(7,'000000000000','us-east-1','queued','arn:aws:sagemaker:us-east-1:000000000000:compilation-job/queued','{"CompilationJobName": "queued", "RoleArn": "arn:aws:iam::000000000000:role/tinsmith", "InputConfig": {"S3Uri": "s3://b/in/\u00e4.tar.gz", "Framework": "XGBOOST", "DataInputConfig": "{\"x\": [1, 3]}\n"}, "OutputConfig": {"S3OutputLocation": "s3://b/out/", "TargetDevice": "ml_c5"}, "StoppingCondition": {"MaxPendingTimeInSeconds": 1800}}','STARTING',1,0,1500.125,1500.125,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'x/image:1');
INSERT INTO "job" VALUES(8,'000000000000','us-east-1','queued-unbound','arn:aws:sagemaker:us-east-1:000000000000:compilation-job/queued-unbound','{"CompilationJobName": "queued-unbound", "RoleArn": "arn:aws:iam::000000000000:role/tinsmith", "InputConfig": {"S3Uri": "s3://b/in/\u00e4.tar.gz", "Framework": "XGBOOST", "DataInputConfig": "{\"x\": [1, 3]}\n"}, "OutputConfig": {"S3OutputLocation": "s3://b/out/", "TargetDevice": "ml_c5"}, "StoppingCondition": {"MaxRuntimeInSeconds": 900}}','STARTING',1,0,1501.0,1501.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'x/image:1');
INSERT INTO "job" VALUES(9,'111111111111','us-east-1','done','arn:aws:sagemaker:us-east-1:111111111111:compilation-job/done','{"CompilationJobName": "done", "RoleArn": "arn:aws:iam::000000000000:role/tinsmith", "InputConfig": {"S3Uri": "s3://b/in/\u00e4.tar.gz", "Framework": "XGBOOST", "DataInputConfig": "{\"x\": [1, 3]}\n"}, "OutputConfig": {"S3OutputLocation": "s3://b/out/", "TargetDevice": "ml_c5"}, "StoppingCondition": {"MaxRuntimeInSeconds": 900}}','STARTING',1,0,1502.0,1502.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'x/image:1');
CREATE TABLE job_event (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	account VARCHAR(12) NOT NULL, 
	region VARCHAR(32) NOT NULL, 
	name VARCHAR(63) NOT NULL, 
	time FLOAT NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	detail JSON NOT NULL
);
INSERT INTO "job_event" VALUES(1,'000000000000','us-east-1','done',1000.25,'created','{"status": "STARTING", "attempt": 0}');
INSERT INTO "job_event" VALUES(2,'000000000000','us-east-1','failed',1001.25,'created','{"status": "STARTING", "attempt": 0}');
INSERT INTO "job_event" VALUES(3,'000000000000','us-east-1','stopped',1002.25,'created','{"status": "STARTING", "attempt": 0}');
INSERT INTO "job_event" VALUES(4,'000000000000','us-east-1','gone',1003.25,'created','{"status": "STARTING", "attempt": 0}');
INSERT INTO "job_event" VALUES(5,'000000000000','us-east-1','running',1004.25,'created','{"status": "STARTING", "attempt": 0}');
INSERT INTO "job_event" VALUES(6,'000000000000','us-east-1','stopping',1005.25,'created','{"status": "STARTING", "attempt": 0}');
INSERT INTO "job_event" VALUES(7,'000000000000','us-east-1','done',2000.5,'claimed','{"status": "INPROGRESS", "attempt": 1, "owner": "worker-1"}');
INSERT INTO "job_event" VALUES(8,'000000000000','us-east-1','failed',2000.5,'claimed','{"status": "INPROGRESS", "attempt": 1, "owner": "worker-1"}');
INSERT INTO "job_event" VALUES(9,'000000000000','us-east-1','stopped',2000.5,'claimed','{"status": "INPROGRESS", "attempt": 1, "owner": "worker-1"}');
INSERT INTO "job_event" VALUES(10,'000000000000','us-east-1','gone',2000.5,'claimed','{"status": "INPROGRESS", "attempt": 1, "owner": "worker-1"}');
INSERT INTO "job_event" VALUES(11,'000000000000','us-east-1','running',2000.5,'claimed','{"status": "INPROGRESS", "attempt": 1, "owner": "worker-1"}');
INSERT INTO "job_event" VALUES(12,'000000000000','us-east-1','stopping',2000.5,'claimed','{"status": "INPROGRESS", "attempt": 1, "owner": "worker-1"}');
INSERT INTO "job_event" VALUES(13,'000000000000','us-east-1','done',2010.0,'completed','{"status": "COMPLETED", "attempt": 1, "artifact_uri": "s3://b/out/x.tar.gz"}');
INSERT INTO "job_event" VALUES(14,'000000000000','us-east-1','failed',2010.0,'failed','{"status": "FAILED", "attempt": 1, "reason": "ClientError: InputConfiguration: bad\nmodel"}');
INSERT INTO "job_event" VALUES(15,'000000000000','us-east-1','stopped',2005.0,'stop_requested','{"status": "STOPPING", "attempt": 1}');
INSERT INTO "job_event" VALUES(16,'000000000000','us-east-1','stopped',2006.0,'stopped','{"status": "STOPPED", "attempt": 1}');
INSERT INTO "job_event" VALUES(17,'000000000000','us-east-1','gone',2010.0,'failed','{"status": "FAILED", "attempt": 1, "reason": "x"}');
INSERT INTO "job_event" VALUES(18,'000000000000','us-east-1','gone',2011.0,'deleted','{"status": "FAILED", "attempt": 1}');
INSERT INTO "job_event" VALUES(19,'000000000000','us-east-1','stopping',2007.5,'stop_requested','{"status": "STOPPING", "attempt": 1}');
INSERT INTO "job_event" VALUES(20,'000000000000','us-east-1','queued',1500.125,'created','{"status": "STARTING", "attempt": 0}');
INSERT INTO "job_event" VALUES(21,'000000000000','us-east-1','queued-unbound',1501.0,'created','{"status": "STARTING", "attempt": 0}');
INSERT INTO "job_event" VALUES(22,'111111111111','us-east-1','done',1502.0,'created','{"status": "STARTING", "attempt": 0}');
CREATE TABLE job_tag (
	id INTEGER NOT NULL, 
	job_id INTEGER NOT NULL, 
	"key" VARCHAR(128) NOT NULL, 
	value VARCHAR(256) NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(job_id) REFERENCES job (id) ON DELETE CASCADE
);
INSERT INTO "job_tag" VALUES(1,1,'team','ä''"');
INSERT INTO "job_tag" VALUES(2,1,'n','0');
INSERT INTO "job_tag" VALUES(3,3,'team','ä''"');
INSERT INTO "job_tag" VALUES(4,3,'n','2');
INSERT INTO "job_tag" VALUES(5,5,'team','ä''"');
INSERT INTO "job_tag" VALUES(6,5,'n','4');
INSERT INTO "job_tag" VALUES(7,7,'k','v');
CREATE INDEX job_created ON job (account, region, creation_time, name);
CREATE UNIQUE INDEX job_name ON job (account, region, name);
CREATE INDEX job_queue ON job (status, creation_time);
CREATE INDEX job_event_job ON job_event (account, region, name, seq);
CREATE UNIQUE INDEX job_tag_key ON job_tag (job_id, "key");
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('job_event',22);
COMMIT;
