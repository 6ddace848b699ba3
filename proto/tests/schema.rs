//! Holds the schema to its rules: the canonical rules for all that is signed
//! or hashed (design 5.1), all rules of buf's STANDARD set without an exception
//! (so that buf itself need not be here), a comment on every element, and the
//! options that Java and C# clients need.
#![allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{DescriptorPool, EnumDescriptor, FileDescriptor, Kind, MessageDescriptor, Syntax};

fn pool() -> DescriptorPool {
    DescriptorPool::decode(laufzettel_proto::DESCRIPTOR_SET).unwrap()
}

fn own_files(pool: &DescriptorPool) -> Vec<FileDescriptor> {
    pool.files().filter(|file| file.package_name() == "laufzettel.v1").collect()
}

fn messages(pool: &DescriptorPool) -> Vec<MessageDescriptor> {
    pool.all_messages().filter(|message| message.package_name() == "laufzettel.v1").collect()
}

fn enums(pool: &DescriptorPool) -> Vec<EnumDescriptor> {
    pool.all_enums().filter(|found| found.package_name() == "laufzettel.v1").collect()
}

/// All messages reachable from the payload and the item.
fn signed_messages(pool: &DescriptorPool) -> BTreeMap<String, MessageDescriptor> {
    let mut found = BTreeMap::new();
    let mut open: Vec<_> = ["laufzettel.v1.TransactionPayload", "laufzettel.v1.Item"]
        .map(|name| pool.get_message_by_name(name).unwrap())
        .into();
    while let Some(message) = open.pop() {
        if found.insert(message.full_name().to_owned(), message.clone()).is_none() {
            open.extend(message.fields().filter_map(|field| field.kind().as_message().cloned()));
        }
    }
    found
}

#[test]
fn signed_messages_have_one_encoding() {
    let pool = pool();
    let signed = signed_messages(&pool);
    assert!(signed.len() > 20, "only {} messages are reachable", signed.len());
    for (name, message) in signed {
        assert_eq!(message.parent_file().syntax(), Syntax::Proto3, "{name}");
        assert!(!message.is_map_entry(), "{name} is a map entry");
        assert!(message.oneofs().count() <= 1, "{name} has more than one oneof");
        for field in message.fields() {
            let path = field.full_name().to_owned();
            assert!(!matches!(field.kind(), Kind::Float | Kind::Double), "{path} is a float");
            assert!(!field.is_map() && !field.is_group(), "{path} is a map or group");
            let proto = field.field_descriptor_proto();
            assert!(!proto.proto3_optional.unwrap_or(false), "{path} is optional");
            if field.containing_oneof().is_none() {
                assert!((1..=15).contains(&field.number()), "{path} is plain and has tag {}", field.number());
            }
        }
        for oneof in message.oneofs() {
            let tags: Vec<u32> = oneof.fields().map(|field| field.number()).collect();
            let wanted: Vec<u32> = (16u32..).take(tags.len()).collect();
            assert_eq!(tags, wanted, "{}: tags from 16 on, no gap", oneof.full_name());
        }
    }
}

fn pascal(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase()) && name.chars().all(|c| c.is_ascii_alphanumeric())
}

fn lower_snake(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.contains("__")
}

fn upper_snake_of(name: &str) -> String {
    let mut out = String::new();
    for (index, symbol) in name.chars().enumerate() {
        if index > 0 && symbol.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(symbol.to_ascii_uppercase());
    }
    out
}

#[test]
fn names_follow_the_buf_standard() {
    let pool = pool();
    // One folder, one package of that name, its last part a version.
    assert_eq!(own_files(&pool).len(), pool.files().filter(|file| !file.name().starts_with("google/")).count());
    for file in own_files(&pool) {
        let stem = file.name().strip_prefix("laufzettel/v1/").unwrap().strip_suffix(".proto").unwrap();
        assert!(lower_snake(stem), "{}", file.name());
    }
    for message in messages(&pool) {
        assert!(pascal(message.name()), "{}", message.full_name());
        for field in message.fields() {
            assert!(lower_snake(field.name()), "{}", field.full_name());
        }
        for oneof in message.oneofs() {
            assert!(lower_snake(oneof.name()), "{}", oneof.full_name());
        }
    }
    for found in enums(&pool) {
        assert!(pascal(found.name()), "{}", found.full_name());
        let prefix = format!("{}_", upper_snake_of(found.name()));
        for value in found.values() {
            assert!(value.name().starts_with(&prefix), "{} wants the prefix {prefix}", value.full_name());
        }
        let zero = found.get_value(0).unwrap();
        assert_eq!(zero.name(), format!("{prefix}UNSPECIFIED"));
        let upper = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        assert!(found.values().all(|value| value.name().chars().all(upper)), "{}", found.full_name());
        let proto = found.enum_descriptor_proto();
        assert_eq!(proto.value.first().unwrap().number(), 0, "{}: zero comes first", found.full_name());
        assert!(!proto.options.as_ref().is_some_and(|options| options.allow_alias()), "{}", found.full_name());
    }
}

/// IMPORT_USED, IMPORT_NO_PUBLIC, PACKAGE_NO_IMPORT_CYCLE (within one package: no cycle of files).
#[test]
fn imports_are_used_and_run_one_way() {
    let pool = pool();
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in own_files(&pool) {
        let proto = file.file_descriptor_proto();
        assert!(proto.public_dependency.is_empty() && proto.weak_dependency.is_empty(), "{}", file.name());
        let fields = file.messages().flat_map(|message| message.fields().collect::<Vec<_>>());
        let of_fields = fields.filter_map(|field| match field.kind() {
            Kind::Message(message) => Some(message.parent_file().name().to_owned()),
            Kind::Enum(found) => Some(found.parent_file().name().to_owned()),
            _ => None,
        });
        let methods = file.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        let of_methods = methods.flat_map(|method| [method.input().parent_file(), method.output().parent_file()]);
        let used = of_fields.chain(of_methods.map(|file| file.name().to_owned()));
        let used: BTreeSet<String> = used.filter(|name| name != file.name()).collect();
        let declared: BTreeSet<String> = proto.dependency.iter().cloned().collect();
        assert_eq!(declared, used, "imports of {}", file.name());
        imports.insert(file.name().to_owned(), declared);
    }
    while !imports.is_empty() {
        let open: BTreeSet<String> = imports.keys().cloned().collect();
        imports.retain(|_, imported| !imported.is_disjoint(&open));
        assert!(imports.len() < open.len(), "these files import each other: {open:?}");
    }
}

#[test]
fn every_call_has_its_own_request_and_response() {
    let pool = pool();
    let mut used = BTreeSet::new();
    for service in pool.services() {
        assert!(service.name().ends_with("Service") && pascal(service.name()), "{}", service.full_name());
        for method in service.methods() {
            assert!(pascal(method.name()), "{}", method.full_name());
            assert_eq!(method.input().name(), format!("{}Request", method.name()));
            assert_eq!(method.output().name(), format!("{}Response", method.name()));
            assert!(!method.is_client_streaming(), "{}", method.full_name());
            assert!(used.insert(method.input().full_name().to_owned()), "{}", method.full_name());
            assert!(used.insert(method.output().full_name().to_owned()), "{}", method.full_name());
        }
    }
    assert!(used.len() >= 28, "services are missing: {used:?}");
}

#[test]
fn every_answer_says_where_it_comes_from() {
    let pool = pool();
    for service in pool.services() {
        for method in service.methods().filter(|method| !method.is_server_streaming()) {
            let position = method.output().get_field_by_name("position");
            let kind = position.map(|field| field.kind());
            let named = kind.as_ref().and_then(Kind::as_message).map(|message| message.name().to_owned());
            assert_eq!(named.as_deref(), Some("Position"), "{}", method.output().full_name());
        }
    }
}

/// The source comments of a file, by path of the element.
fn comments(file: &FileDescriptor) -> BTreeMap<Vec<i32>, String> {
    let proto = file.file_descriptor_proto();
    let info = proto.source_code_info.as_ref().unwrap();
    info.location.iter().map(|found| (found.path.clone(), found.leading_comments().trim().to_owned())).collect()
}

#[test]
fn every_element_is_explained() {
    let pool = pool();
    let files: BTreeMap<String, _> =
        own_files(&pool).iter().map(|file| (file.name().to_owned(), comments(file))).collect();
    let check = |file: &FileDescriptor, path: &[i32], name: &str| {
        let comment = files.get(file.name()).and_then(|found| found.get(path));
        assert!(comment.is_some_and(|text| text.len() > 2), "{name} has no comment");
    };
    for message in messages(&pool) {
        let file = message.parent_file();
        check(&file, message.path(), message.full_name());
        for field in message.fields() {
            check(&file, field.path(), field.full_name());
        }
        for oneof in message.oneofs() {
            check(&file, oneof.path(), oneof.full_name());
        }
    }
    for found in enums(&pool) {
        check(&found.parent_file(), found.path(), found.full_name());
        for value in found.values() {
            check(&found.parent_file(), value.path(), value.full_name());
        }
    }
    for service in pool.services() {
        check(&service.parent_file(), service.path(), service.full_name());
        for method in service.methods() {
            check(&service.parent_file(), method.path(), method.full_name());
        }
    }
}

#[test]
fn files_carry_the_options_of_java_and_csharp() {
    let pool = pool();
    let files = own_files(&pool);
    assert!(files.len() >= 8);
    for file in files {
        let proto = file.file_descriptor_proto();
        let options = proto.options.as_ref().unwrap();
        assert_eq!(options.java_package(), "de.laufzettel.v1", "{}", file.name());
        assert!(options.java_multiple_files(), "{}", file.name());
        assert_eq!(options.csharp_namespace(), "Laufzettel.V1", "{}", file.name());
        let others = [&options.go_package, &options.php_namespace, &options.ruby_package, &options.swift_prefix];
        assert!(others.iter().all(|option| option.is_none()), "{}: all files or none", file.name());
        assert_eq!(proto.syntax(), "proto3", "{}", file.name());
    }
}
